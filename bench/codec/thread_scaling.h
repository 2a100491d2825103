// Several threads that decode side by side, each with chunks, destination and context of its own.
#pragma once

#include <cstdint>
#include <span>

#include "bench/codec/coded_set.h"
#include "bench/codec/timed_passes.h"
#include "qload/result.h"

namespace qload::bench {

/// Lets one thread on each of `processors` decode a copy of `set` `passes` times. They are ready
/// and warm before the clock starts. REQUIRES: processors is not empty.
Result<PassSample> time_threads(const CodedSet& set, std::span<const uint32_t> processors,
                                uint64_t target_bytes, uint64_t passes);

}  // namespace qload::bench
