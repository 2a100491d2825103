// Threads that stay on one processor while they are measured.
#pragma once

#include <sched.h>

#include <cstdint>
#include <vector>

#include "qload/result.h"

namespace qload::bench {

/// Numbers of the processors that this thread may use: first one of each core, then their siblings,
/// so that the first few threads share no core.
std::vector<uint32_t> processors_by_core();

/// Keeps the calling thread on one processor for its lifetime. Same thread throughout.
class ProcessorPin {
 public:
  ~ProcessorPin();
  ProcessorPin(ProcessorPin&& other) noexcept;
  ProcessorPin& operator=(ProcessorPin&&) = delete;

  /// kIo when the system refuses.
  static Result<ProcessorPin> create(uint32_t processor);

 private:
  ProcessorPin() = default;

  bool pinned_ = false;
  cpu_set_t before_ = {};
};

}  // namespace qload::bench
