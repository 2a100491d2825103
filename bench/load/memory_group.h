// A limit on a process's memory by the kernel's control groups, page cache included.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "bench/load/bench_interrupt.h"
#include "qload/result.h"

namespace qload::bench {

struct GroupLimits {
  uint64_t memory_bytes = 0;
  /// A line for io.max, for version 2 only: there a process is in one group, which then needs the
  /// throttle's limit too. Empty: none.
  std::string io_max;
};

/// A control group that another process joins. Its folder is removed on destruction and on
/// interruption; the process has to have ended by then. Root.
class MemoryGroup {
 public:
  /// kUnsupported where no memory controller is mounted; kIo where the system refuses a group.
  static Result<std::unique_ptr<MemoryGroup>> create(const GroupLimits& limits,
                                                     InterruptGuard& interrupts);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  /// The file that a process joins by: it takes "0" for the one that writes.
  std::filesystem::path join_file() const { return group_ / "cgroup.procs"; }
  /// The most that was ever charged to the group: memory of its processes, pages of files that they
  /// brought into the page cache, kernel memory. 0 where the kernel does not say.
  uint64_t peak_bytes() const;
  const std::string& description() const { return description_; }

 private:
  explicit MemoryGroup(InterruptGuard& interrupts) : interrupts_(interrupts) {}
  Status set_limits(const GroupLimits& limits);

  InterruptGuard& interrupts_;
  uint64_t cleanup_id_ = 0;
  std::filesystem::path group_;  // Empty until created.
  bool version_2_ = false;
  std::string description_;
};

}  // namespace qload::bench
