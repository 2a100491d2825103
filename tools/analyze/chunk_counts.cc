#include "tools/analyze/chunk_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "format/filter/ggml_blocks.h"
#include "tools/analyze/code_values.h"

namespace qload::analyze {
namespace {

template <class Count>
double bits_of(std::span<const Count> counts) {
  uint64_t sum = 0;
  for (const Count count : counts) sum += count;
  const auto total = static_cast<double>(sum);
  double bits = 0;
  for (const Count count : counts) {
    if (count == 0 || count == sum) continue;
    const auto times = static_cast<double>(count);
    bits += times * std::log2(total / times);
  }
  return bits;
}

/// The filters of two bytes a value follow from the counts of whole values.
void deal_out(std::span<const CodeCount> codes, FilterId filter, FilterCounts& counts) {
  for (const CodeCount& entry : codes) {
    const uint16_t code = filter == FilterId::kFloatPlanes2 ? std::rotl(entry.code, 1) : entry.code;
    counts.streams[0][code & 255] += entry.count;
    counts.streams[filter == FilterId::kNone ? 0 : 1][code >> 8] += entry.count;
  }
}

}  // namespace

double entropy_bits(std::span<const uint32_t> counts) { return bits_of(counts); }
double entropy_bits(std::span<const uint64_t> counts) { return bits_of(counts); }

std::vector<FilterId> analyzed_filters(DType dtype, ContentKind kind) {
  using enum FilterId;
  if (kind == ContentKind::kKept) return {kNone};
  if (kind == ContentKind::kRaw) return {kNone, kBytePlanes2, kFloatPlanes2, kFloatPlanes4};
  switch (dtype) {
    case DType::kF16:
    case DType::kBF16:
      return {kNone, kBytePlanes2, kFloatPlanes2};
    case DType::kI16:
    case DType::kU16:
      return {kNone, kBytePlanes2};
    case DType::kF32:
    case DType::kC64:
      return {kNone, kBytePlanes4, kFloatPlanes4};
    case DType::kI32:
    case DType::kU32:
      return {kNone, kBytePlanes4};
    case DType::kF64:
    case DType::kI64:
    case DType::kU64:
      return {kNone, kBytePlanes8};
    default:
      break;
  }
  const FilterId fields = block_filter_of(dtype);
  return fields == kNone ? std::vector{kNone} : std::vector{kNone, fields};
}

double ChunkCounts::best_bits() const {
  double best = filters.front().bits;
  for (const FilterCounts& filter : filters) best = std::min(best, filter.bits);
  return best;
}

void ChunkCounter::count(DType dtype, ContentKind kind, std::span<const std::byte> chunk,
                         ChunkCounts& counts) {
  QLOAD_ASSERT(!chunk.empty());
  const std::vector<FilterId> filters = analyzed_filters(dtype, kind);
  counts.bytes = chunk.size();
  counts.filters.assign(filters.size(), {});
  counts.codes.clear();
  counts.moments = {};
  const ValueReading reading =
      kind == ContentKind::kTensor ? value_reading(dtype) : ValueReading::kNone;
  if (reading == ValueReading::kCodes16) count_codes(chunk);
  if (reading == ValueReading::kWide) {
    counts.moments = moments_of(dtype, chunk);
    count_upper_halves(dtype, chunk, table_);
  }
  if (reading == ValueReading::kCodes16 || reading == ValueReading::kWide) {
    take_table(counts.codes);
  }
  for (size_t i = 0; i < filters.size(); ++i) {
    if (reading == ValueReading::kCodes16) {
      deal_out(counts.codes, filters[i], counts.filters[i]);
      // An odd byte at the end is in the last stream.
      if (chunk.size() % 2 != 0) {
        const size_t last = filters[i] == FilterId::kNone ? 0 : 1;
        ++counts.filters[i].streams[last][static_cast<uint8_t>(chunk.back())];
      }
    } else {
      count_filter(filters[i], chunk, counts.filters[i]);
    }
    for (const ByteCounts& stream : counts.filters[i].streams) {
      counts.filters[i].bits += entropy_bits(stream);
    }
  }
}

void ChunkCounter::count_codes(std::span<const std::byte> chunk) {
  size_t i = 0;
  for (; i + 8 <= chunk.size(); i += 8) {
    const auto word = load_le<uint64_t>(chunk.data() + i);
    ++table_[word & 0xFFFF];
    ++table_[word >> 16 & 0xFFFF];
    ++table_[word >> 32 & 0xFFFF];
    ++table_[word >> 48];
  }
  for (; i + 2 <= chunk.size(); i += 2) ++table_[load_le<uint16_t>(chunk.data() + i)];
}

void ChunkCounter::take_table(std::vector<CodeCount>& codes) {
  for (size_t code = 0; code < table_.size(); ++code) {
    if (table_[code] == 0) continue;
    codes.push_back({static_cast<uint16_t>(code), table_[code]});
    table_[code] = 0;
  }
}

void ChunkCounter::count_filter(FilterId id, std::span<const std::byte> chunk,
                                FilterCounts& counts) {
  if (id == FilterId::kNone) {
    counts.streams[0] = count_bytes(chunk);
    return;
  }
  const Filter* filter = find_filter(id);
  QLOAD_ASSERT(filter != nullptr);
  streams_.resize(chunk.size());
  std::array<std::span<std::byte>, kStreamCountMax> streams;
  size_t offset = 0;
  for (uint32_t i = 0; i < filter->stream_count; ++i) {
    streams[i] = std::span(streams_).subspan(offset, filter->stream_bytes(chunk.size(), i));
    offset += streams[i].size();
  }
  filter->split(chunk, std::span(streams).first(filter->stream_count));
  for (uint32_t i = 0; i < filter->stream_count; ++i) counts.streams[i] = count_bytes(streams[i]);
}

}  // namespace qload::analyze
