#include "bench/experts/own_memory_group.h"

#include "bench/load/control_file.h"
#include "format/base/try.h"
#include "runtime/host/cgroup_folders.h"

namespace qload::bench {

Result<std::unique_ptr<OwnMemoryGroup>> OwnMemoryGroup::enter(const GroupLimits& limits,
                                                              InterruptGuard& interrupts) {
  const auto folders = find_cgroup_folders("memory");
  if (folders.empty()) {
    return Error(ErrorCode::kUnsupported, "this process is in no control group with memory limits");
  }
  std::unique_ptr<OwnMemoryGroup> own(new OwnMemoryGroup(interrupts));
  QLOAD_TRY(own->group_, MemoryGroup::create(limits, interrupts));
  QLOAD_CHECK(write_control(own->group_->join_file(), "0"));
  own->home_ = std::filesystem::path(folders.front().path) / "cgroup.procs";
  // Actions run newest first: the process leaves before its group is removed.
  own->cleanup_id_ = interrupts.add([home = own->home_] { (void)write_control(home, "0"); });
  return own;
}

OwnMemoryGroup::~OwnMemoryGroup() {
  if (home_.empty()) return;
  interrupts_.remove(cleanup_id_);
  (void)write_control(home_, "0");
}

}  // namespace qload::bench
