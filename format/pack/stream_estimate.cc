#include "format/pack/stream_estimate.h"

#include <algorithm>

namespace qload {

StreamEstimate cheapest_stream(const TargetDevice& device, const ByteCounts& counts, uint64_t total,
                               double gain_min) {
  const auto estimate = [&](CodecId codec, uint64_t bytes) {
    return StreamEstimate{{codec, {}}, bytes, stream_cost(device, codec, bytes, total)};
  };
  if (std::ranges::find(counts, total) != counts.end()) return estimate(CodecId::kConstant, 1);
  StreamEstimate best = estimate(CodecId::kStore, total);
  const double worth = static_cast<double>(total) * (1.0 - gain_min);
  // A sample of a few symbols of many looks more orderly than what it was taken from, by
  // (m - 1) / (2 ln 2) bits for m different values (G. Miller, "Note on the bias of information
  // estimates", 1955): 960 random bytes seem to have 7.8 bits each.
  const auto values = 256 - static_cast<uint64_t>(std::ranges::count(counts, 0u));
  const uint64_t bias_bytes = (values - 1) * 72 / 800;
  // No code beats the entropy: most streams of mantissas and scales are decided here.
  if (static_cast<double>(order_0_bits(counts) / 8 + bias_bytes) > worth) return best;
  for (const Codec& codec : all_codecs()) {
    if (codec.estimate_bytes == nullptr) continue;
    const StreamEstimate coded =
        estimate(codec.id, std::min(codec.estimate_bytes(counts, total) + bias_bytes, total));
    if (static_cast<double>(coded.stored_bytes) <= worth && coded.cost < best.cost) best = coded;
  }
  return best;
}

}  // namespace qload
