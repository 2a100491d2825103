#include "bench/load/memory_group.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>

#include "bench/load/control_file.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/host/cgroup_folders.h"

namespace qload::bench {
namespace {

bool lists_memory(const std::filesystem::path& controllers) {
  std::ifstream file(controllers);
  for (std::string name; file >> name;) {
    if (name == "memory") return true;
  }
  return false;
}

/// Where the new group goes. Version 1: below the process's own, whose limit holds on. Version 2:
/// below the top, for a group that has processes may not share controllers out.
std::optional<CgroupFolder> find_parent() {
  std::optional<CgroupFolder> top;
  for (const CgroupFolder& folder : find_cgroup_folders("memory")) {
    if (folder.version == 2) {
      top = folder;  // They come from the process's own to the top.
    } else if (std::filesystem::exists(folder.path + "/memory.limit_in_bytes")) {
      return folder;
    }
  }
  if (top && lists_memory(std::filesystem::path(top->path) / "cgroup.controllers")) return top;
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<MemoryGroup>> MemoryGroup::create(const GroupLimits& limits,
                                                         InterruptGuard& interrupts) {
  const std::optional<CgroupFolder> parent = find_parent();
  if (!parent) {
    return Error(ErrorCode::kUnsupported,
                 "no control group limits memory here: the memory controller is mounted neither as "
                 "version 1 nor as version 2");
  }
  std::unique_ptr<MemoryGroup> made(new MemoryGroup(interrupts));
  made->version_2_ = parent->version == 2;
  const std::filesystem::path folder(parent->path);
  if (made->version_2_) {
    QLOAD_CHECK(write_control(folder / "cgroup.subtree_control",
                              limits.io_max.empty() ? "+memory" : "+memory +io"));
  }
  const std::filesystem::path group = folder / text("qload_bench_memory.", getpid());
  if (mkdir(group.c_str(), 0755) != 0) {
    return error_from_errno(text("mkdir ", group.string(), " (a memory limit needs root)"), errno);
  }
  made->group_ = group;
  made->cleanup_id_ = interrupts.add([group] { remove_group(group); });
  made->description_ = made->version_2_ ? "cgroup v2 memory.max" : "cgroup v1 memory";
  QLOAD_CHECK(made->set_limits(limits));
  return made;
}

// Without swap: memory that is swapped out would be a budget kept by reading and writing.
Status MemoryGroup::set_limits(const GroupLimits& limits) {
  const std::string bytes = text(limits.memory_bytes);
  if (!version_2_) {
    (void)write_control(group_ / "memory.swappiness", "0");
    return write_control(group_ / "memory.limit_in_bytes", bytes);
  }
  (void)write_control(group_ / "memory.swap.max", "0");
  if (!limits.io_max.empty()) QLOAD_CHECK(write_control(group_ / "io.max", limits.io_max));
  return write_control(group_ / "memory.max", bytes);
}

MemoryGroup::~MemoryGroup() {
  if (group_.empty()) return;
  interrupts_.remove(cleanup_id_);
  remove_group(group_);
}

uint64_t MemoryGroup::peak_bytes() const {
  std::ifstream file(group_ / (version_2_ ? "memory.peak" : "memory.max_usage_in_bytes"));
  uint64_t bytes = 0;
  file >> bytes;
  return file ? bytes : 0;
}

}  // namespace qload::bench
