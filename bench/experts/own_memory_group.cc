#include "bench/experts/own_memory_group.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string_view>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/host/cgroup_folders.h"

namespace qload::bench {
namespace {

// Control files take one write() and answer through its errno.
Status write_value(const std::string& path, std::string_view value) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return error_from_errno(text("open ", path), errno);
  const ssize_t written = write(descriptor, value.data(), value.size());
  const int error_number = errno;
  close(descriptor);
  if (written >= 0) return Ok{};
  return error_from_errno(text("write \"", value, "\" to ", path), error_number);
}

// Version 1 does wherever its memory controller is; version 2 says so.
bool hands_memory_on(const CgroupFolder& folder) {
  if (folder.version == 1)
    return access((folder.path + "/memory.limit_in_bytes").c_str(), W_OK) == 0;
  std::ifstream file(folder.path + "/cgroup.subtree_control");
  for (std::string controller; file >> controller;) {
    if (controller == "memory") return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<OwnMemoryGroup>> OwnMemoryGroup::enter(uint64_t limit_bytes,
                                                              InterruptGuard& interrupts) {
  // Below the process's own group, so that the limits above it go on to hold. Version 2 may not
  // allow that: a group that has processes cannot hand its controllers on.
  for (const CgroupFolder& folder : find_cgroup_folders("memory")) {
    if (!hands_memory_on(folder)) continue;
    std::unique_ptr<OwnMemoryGroup> group(new OwnMemoryGroup(interrupts));
    group->home_ = folder.path;
    QLOAD_CHECK(group->create_below(folder.path, folder.version, limit_bytes));
    return group;
  }
  return Error(ErrorCode::kUnsupported,
               "no control group of this process can have one with a memory limit below it");
}

OwnMemoryGroup::~OwnMemoryGroup() {
  interrupts_.remove(cleanup_id_);
  leave();
}

Status OwnMemoryGroup::create_below(const std::string& parent, uint32_t version,
                                    uint64_t limit_bytes) {
  const std::string path = text(parent, "/qload_bench.", getpid());
  if (mkdir(path.c_str(), 0755) != 0) {
    return error_from_errno(text("mkdir ", path, " (a memory limit needs root)"), errno);
  }
  group_ = path;
  version_ = version;
  cleanup_id_ = interrupts_.add([this] { leave(); });
  QLOAD_CHECK(write_value(path + (version == 1 ? "/memory.limit_in_bytes" : "/memory.max"),
                          text(limit_bytes)));
  QLOAD_CHECK(write_value(path + "/cgroup.procs", text(getpid())));
  description_ = text("control group version ", version);
  return Ok{};
}

uint64_t OwnMemoryGroup::peak_bytes() const {
  std::ifstream file(group_ + (version_ == 1 ? "/memory.max_usage_in_bytes" : "/memory.peak"));
  uint64_t bytes = 0;
  return file >> bytes ? bytes : 0;
}

void OwnMemoryGroup::leave() {
  if (group_.empty()) return;
  (void)write_value(home_ + "/cgroup.procs", text(getpid()));
  // The kernel lets go of a group a moment after its last process has left.
  for (int attempt = 0; attempt < 50 && rmdir(group_.c_str()) != 0 && errno == EBUSY; ++attempt) {
    usleep(10'000);
  }
  group_.clear();
}

}  // namespace qload::bench
