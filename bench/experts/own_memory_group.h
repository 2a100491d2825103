// This process in a memory control group of its own, for as long as a contender runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/load/bench_interrupt.h"
#include "qload/result.h"

namespace qload::bench {

/// While it lives, what this process allocates or reads into the page cache counts against a limit;
/// what it had before does not. Removed on destruction and on interruption. Root.
class OwnMemoryGroup {
 public:
  /// kUnsupported, kIo: there may be none here, and why.
  static Result<std::unique_ptr<OwnMemoryGroup>> enter(uint64_t limit_bytes,
                                                       InterruptGuard& interrupts);
  ~OwnMemoryGroup();
  OwnMemoryGroup(const OwnMemoryGroup&) = delete;
  OwnMemoryGroup& operator=(const OwnMemoryGroup&) = delete;

  /// The most that counted at any time; 0 where the kernel does not say.
  uint64_t peak_bytes() const;
  /// "control group version 1".
  const std::string& description() const { return description_; }

 private:
  explicit OwnMemoryGroup(InterruptGuard& interrupts) : interrupts_(interrupts) {}
  Status create_below(const std::string& parent, uint32_t version, uint64_t limit_bytes);
  void leave();

  InterruptGuard& interrupts_;
  uint64_t cleanup_id_ = 0;
  std::string home_;   // Where the process came from.
  std::string group_;  // Empty until created.
  uint32_t version_ = 0;
  std::string description_;
};

}  // namespace qload::bench
