// This process in a memory control group of its own, for as long as a contender runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "bench/load/bench_interrupt.h"
#include "bench/load/memory_group.h"
#include "qload/result.h"

namespace qload::bench {

/// While it lives, what this process allocates or reads into the page cache counts against a limit;
/// what it had before does not. It leaves the group on destruction and on interruption. Root.
class OwnMemoryGroup {
 public:
  /// As MemoryGroup::create, and kIo where the group may not be joined.
  static Result<std::unique_ptr<OwnMemoryGroup>> enter(const GroupLimits& limits,
                                                       InterruptGuard& interrupts);
  ~OwnMemoryGroup();
  OwnMemoryGroup(const OwnMemoryGroup&) = delete;
  OwnMemoryGroup& operator=(const OwnMemoryGroup&) = delete;

  uint64_t peak_bytes() const { return group_->peak_bytes(); }
  const std::string& description() const { return group_->description(); }

 private:
  explicit OwnMemoryGroup(InterruptGuard& interrupts) : interrupts_(interrupts) {}

  InterruptGuard& interrupts_;
  uint64_t cleanup_id_ = 0;
  std::unique_ptr<MemoryGroup> group_;
  std::filesystem::path home_;  // Where the process came from.
};

}  // namespace qload::bench
