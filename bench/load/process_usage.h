// What a stretch of the program cost this process: processor time, page faults, context switches,
// bytes from storage.
#pragma once

#include <cstdint>

namespace qload::bench {

/// Of all threads, those that have ended included.
struct ProcessUsage {
  double user_seconds = 0;
  double system_seconds = 0;
  uint64_t minor_faults = 0;          ///< Page faults served from memory.
  uint64_t major_faults = 0;          ///< Page faults that waited for storage.
  uint64_t voluntary_switches = 0;    ///< A thread went to sleep: it waited.
  uint64_t involuntary_switches = 0;  ///< A thread lost its processor to another.
  /// What really came from storage: pages of the cache that were read in, and O_DIRECT reads.
  /// 0 where the kernel does not account for it (CONFIG_TASK_IO_ACCOUNTING).
  uint64_t storage_read_bytes = 0;

  double cpu_seconds() const { return user_seconds + system_seconds; }
};

/// Since the process began. Unknown figures are 0.
ProcessUsage usage_now();

/// From `before` to `after`.
ProcessUsage usage_between(const ProcessUsage& before, const ProcessUsage& after);

}  // namespace qload::bench
