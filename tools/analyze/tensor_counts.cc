#include "tools/analyze/tensor_counts.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "format/base/assert.h"
#include "format/filter/ggml_blocks.h"
#include "tools/analyze/code_values.h"
#include "tools/analyze/value_bins.h"

namespace qload::analyze {
namespace {

ValueReading reading_of(DType dtype, ContentKind kind) {
  return kind == ContentKind::kTensor ? value_reading(dtype) : ValueReading::kNone;
}

}  // namespace

void TensorCounts::begin(DType dtype, ContentKind kind) {
  dtype_ = dtype;
  kind_ = kind;
  read_bytes_ = 0;
  best_chunk_bits_ = 0;
  filters_.clear();
  for (const FilterId id : analyzed_filters(dtype, kind)) {
    const Filter* filter = find_filter(id);
    QLOAD_ASSERT(filter != nullptr);
    filters_.push_back({.filter = id, .stream_count = filter->stream_count});
  }
  for (const uint16_t code : codes_) code_counts_[code] = 0;
  codes_.clear();
  wide_moments_ = {};
}

void TensorCounts::add(const ChunkCounts& chunk) {
  QLOAD_ASSERT(chunk.filters.size() == filters_.size());
  read_bytes_ += chunk.bytes;
  best_chunk_bits_ += chunk.best_bits();
  for (size_t i = 0; i < filters_.size(); ++i) {
    FilterSums& sums = filters_[i];
    sums.chunk_bits += chunk.filters[i].bits;
    for (uint32_t stream = 0; stream < sums.stream_count; ++stream) {
      for (size_t byte = 0; byte < 256; ++byte) {
        sums.streams[stream][byte] += chunk.filters[i].streams[stream][byte];
      }
    }
  }
  for (const CodeCount& entry : chunk.codes) {
    uint64_t& count = code_counts_[entry.code];
    if (count == 0) codes_.push_back(entry.code);
    count += entry.count;
  }
  wide_moments_.merge(chunk.moments);
}

void TensorCounts::describe_entropies(Figures& figures) const {
  figures.read_bytes = read_bytes_;
  figures.chunk_entropy_bits = best_chunk_bits_;
  figures.filters.clear();
  figures.entropy_bits = std::numeric_limits<double>::infinity();
  for (const FilterSums& sums : filters_) {
    FilterEntropy entropy{
        .filter = sums.filter, .stream_count = sums.stream_count, .chunk_bits = sums.chunk_bits};
    for (uint32_t i = 0; i < sums.stream_count; ++i) {
      for (const uint64_t count : sums.streams[i]) entropy.streams[i].bytes += count;
      entropy.streams[i].bits = entropy_bits(sums.streams[i]);
    }
    figures.entropy_bits = std::min(figures.entropy_bits, entropy.bits());
    figures.filters.push_back(entropy);
  }
  if (kind_ != ContentKind::kTensor) return;
  const uint32_t value_bytes = whole_value_bytes(dtype_);
  if (value_bytes == 0) return;
  figures.whole_value_count = read_bytes_ / value_bytes;
  if (value_bytes == 1) {
    figures.whole_value_bits = figures.filters.front().bits();
    return;
  }
  std::vector<uint64_t> counts;
  counts.reserve(codes_.size());
  for (const uint16_t code : codes_) counts.push_back(code_counts_[code]);
  figures.whole_value_bits = entropy_bits(counts);
}

/// The values of types whose codes are all counted.
std::vector<CountedValue> TensorCounts::counted_values() const {
  std::vector<CountedValue> values;
  if (whole_value_bytes(dtype_) == 1) {
    for (uint16_t code = 0; code < 256; ++code) {
      const uint64_t count = filters_.front().streams[0][code];
      if (count > 0) values.push_back({code_value(dtype_, code), count});
    }
    return values;
  }
  for (const uint16_t code : codes_) {
    values.push_back({code_value(dtype_, code), code_counts_[code]});
  }
  return values;
}

ValueMoments TensorCounts::moments() const {
  switch (reading_of(dtype_, kind_)) {
    case ValueReading::kCodes8:
    case ValueReading::kCodes16:
      return moments_of(counted_values());
    case ValueReading::kWide:
      return wide_moments_;
    default:
      return {};
  }
}

ValueStatistics TensorCounts::statistics() const {
  const ValueMoments of = moments();
  ValueStatistics out{.value_count = of.finite_count,
                      .nan_count = of.nan_count,
                      .infinity_count = of.infinity_count,
                      .zero_count = of.zero_count,
                      .minimum = of.minimum,
                      .maximum = of.maximum,
                      .mean = of.mean};
  if (of.finite_count == 0) return out;
  const double variance = of.squares / static_cast<double>(of.finite_count);
  out.deviation = std::sqrt(variance);
  if (variance > 0) {
    out.kurtosis = of.fourths / static_cast<double>(of.finite_count) / (variance * variance);
  }
  return out;
}

ValueHistogram TensorCounts::histogram() const {
  const ValueReading reading = reading_of(dtype_, kind_);
  switch (reading) {
    case ValueReading::kNone:
      return {};
    case ValueReading::kQuants8:
      return bin_signed_bytes(filters_.back().streams[quant_stream(dtype_)]);
    case ValueReading::kQuants4:
      return bin_nibbles(filters_.back().streams[quant_stream(dtype_)]);
    case ValueReading::kCodes8:
      if (dtype_ == DType::kI8) return bin_signed_bytes(filters_.front().streams[0]);
      if (dtype_ == DType::kU8 || dtype_ == DType::kBool) {
        return bin_bytes(filters_.front().streams[0]);
      }
      break;
    default:
      break;
  }
  LinearBins bins(statistics().absmax());
  if (reading == ValueReading::kWide) {
    for (const uint16_t code : codes_) bins.add_upper_half(code, code_counts_[code]);
  } else {
    for (const CountedValue& value : counted_values()) bins.add(value.value, value.count);
  }
  return bins.take();
}

}  // namespace qload::analyze
