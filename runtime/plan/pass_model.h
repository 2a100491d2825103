// How long a pass over portions takes, by a model of what waits for what. Pure: no files, threads
// or clocks.
#pragma once

#include <cstdint>
#include <span>

namespace qload {

/// What a portion needs, in the order of the pass.
struct PortionCost {
  uint64_t memory_bytes = 0;   ///< From the start of its reading until the caller is done with it.
  double load_seconds = 0;     ///< Reading and decoding, which lie beside each other. 0: none.
  double compute_seconds = 0;  ///< The caller's work.
};

/// Seconds of one pass of many: portions are loaded one after the other, each as soon as `room`
/// (bytes) holds it beside those that the caller is not done with, and the caller takes them in
/// order. After a wait for room the pipeline of reads and decoding fills anew, which costs
/// kRefillSeconds.
/// REQUIRES: `room` holds each portion.
double model_pass_seconds(std::span<const PortionCost> portions, uint64_t room);

/// From the first read of a portion to its first decoded chunk, and from its last read to its last
/// chunk: what loading was measured to lose for each portion of a stream that waited for room, on
/// storage of 2.8 GB/s (docs/performance.md, "Streams").
inline constexpr double kRefillSeconds = 2e-3;

}  // namespace qload
