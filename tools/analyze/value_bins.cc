#include "tools/analyze/value_bins.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "format/base/assert.h"

namespace qload::analyze {
namespace {

constexpr size_t kByteCount = 256;
constexpr size_t kNibbleCount = 16;

double first_float_of(uint32_t half) { return std::bit_cast<float>(half << 16); }

}  // namespace

ValueHistogram bin_signed_bytes(std::span<const uint64_t> counts) {
  QLOAD_ASSERT(counts.size() == kByteCount);
  ValueHistogram out{.bins = ValueHistogram::Bins::kCodes, .lower = -128, .upper = 127};
  out.counts.insert(out.counts.end(), counts.begin() + kByteCount / 2, counts.end());
  out.counts.insert(out.counts.end(), counts.begin(), counts.begin() + kByteCount / 2);
  return out;
}

ValueHistogram bin_bytes(std::span<const uint64_t> counts) {
  QLOAD_ASSERT(counts.size() == kByteCount);
  return {.bins = ValueHistogram::Bins::kCodes,
          .lower = 0,
          .upper = kByteCount - 1,
          .counts = {counts.begin(), counts.end()}};
}

ValueHistogram bin_nibbles(std::span<const uint64_t> counts) {
  QLOAD_ASSERT(counts.size() == kByteCount);
  ValueHistogram out{.bins = ValueHistogram::Bins::kCodes, .lower = 0, .upper = kNibbleCount - 1};
  out.counts.resize(kNibbleCount);
  for (size_t byte = 0; byte < kByteCount; ++byte) {
    out.counts[byte & 15] += counts[byte];
    out.counts[byte >> 4] += counts[byte];
  }
  return out;
}

LinearBins::LinearBins(double absmax) : absmax_(absmax), shares_(kLinearBinCount) {}

size_t LinearBins::bin_of(double value) const {
  if (absmax_ == 0) return kLinearBinCount / 2;
  // Halves first: twice the largest double has no place in a double.
  const double place = (value / absmax_ + 1) / 2 * static_cast<double>(kLinearBinCount);
  const auto bin = static_cast<size_t>(std::max(place, 0.0));
  return std::min(bin, kLinearBinCount - 1);
}

void LinearBins::add(double value, uint64_t count) {
  if (std::isfinite(value)) shares_[bin_of(value)] += static_cast<double>(count);
}

void LinearBins::add_upper_half(uint16_t half, uint64_t count) {
  const double nearest = first_float_of(half);
  if (!std::isfinite(nearest)) return;
  // The half after it is further from 0, and infinity's after the last.
  const double farthest = first_float_of(half + 1u);
  const double lower = std::clamp(std::min(nearest, farthest), -absmax_, absmax_);
  const double upper = std::clamp(std::max(nearest, farthest), -absmax_, absmax_);
  const size_t first_bin = bin_of(lower);
  const size_t last_bin = bin_of(upper);
  if (first_bin == last_bin) {
    shares_[first_bin] += static_cast<double>(count);
    return;
  }
  const double width = upper - lower;
  const double bin_width = 2 * (absmax_ / static_cast<double>(kLinearBinCount));
  for (size_t bin = first_bin; bin <= last_bin; ++bin) {
    const double from = -absmax_ + bin_width * static_cast<double>(bin);
    const double part = std::min(upper, from + bin_width) - std::max(lower, from);
    shares_[bin] += static_cast<double>(count) * std::max(part, 0.0) / width;
  }
}

ValueHistogram LinearBins::take() {
  ValueHistogram out{.bins = ValueHistogram::Bins::kLinear, .lower = -absmax_, .upper = absmax_};
  out.counts.resize(kLinearBinCount);
  // Rounded as running sums, so that they add up to all values.
  double sum = 0;
  uint64_t given = 0;
  for (size_t bin = 0; bin < kLinearBinCount; ++bin) {
    sum += shares_[bin];
    const auto until = static_cast<uint64_t>(std::llround(sum));
    out.counts[bin] = until - given;
    given = until;
  }
  return out;
}

}  // namespace qload::analyze
