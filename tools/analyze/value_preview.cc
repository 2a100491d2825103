#include "tools/analyze/value_preview.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <span>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/analyze/chunk_counts.h"
#include "tools/analyze/value_bins.h"
#include "tools/encode/float_rows.h"
#include "tools/encode/int8_rows.h"

namespace qload::analyze {
namespace {

constexpr uint64_t kTypicalValuesMin = 4096;
constexpr uint64_t kRowValuesMin = 32;

using CodeCounts = std::array<uint64_t, 256>;

/// Quantizes values by their own absmax or a given one, and counts the codes. Keeps its memory.
class CodeCounter {
 public:
  /// As the values of one group of a scale. What is not finite is left out.
  void count(std::span<const float> values, std::optional<float> absmax, CodeCounts& counts) {
    finite_.clear();
    std::ranges::copy_if(values, std::back_inserter(finite_),
                         [](float value) { return std::isfinite(value); });
    const float limit = absmax.value_or(encode::largest_magnitude(finite_));
    // The absmax of a sample may be less than a value.
    for (float& value : finite_) value = std::clamp(value, -limit, limit);
    codes_.resize(finite_.size());
    encode::encode_int8(finite_, encode::int8_step(limit).factor, codes_.data());
    for (const std::byte code : codes_) counts[static_cast<uint8_t>(code)] += 1;
  }

 private:
  std::vector<float> finite_;
  std::vector<std::byte> codes_;
};

std::optional<Int8Codes> codes_of(const CodeCounts& counts) {
  uint64_t sum = 0;
  for (const uint64_t count : counts) sum += count;
  if (sum == 0) return std::nullopt;
  return Int8Codes{bin_signed_bytes(counts),
                   entropy_bits(std::span<const uint64_t>(counts)) / static_cast<double>(sum)};
}

/// Values of a row, or of a channel where kernels are small: as many of the innermost dimensions as
/// make 32 values or more, without the outermost. 0 where there are no rows.
uint64_t row_values(const ChunkRun& run) {
  if (run.shape.size() < 2) return 0;
  size_t dimension = run.shape.size() - 1;
  uint64_t values = run.shape[dimension];
  while (values < kRowValuesMin && --dimension > 0) values *= run.shape[dimension];
  return values;
}

Result<std::optional<Int8Preview>> preview_int8(const ChunkedModel& model, const ChunkRun& run,
                                                double absmax, const std::stop_token& stop) {
  CodeCounts tensor_counts = {};
  CodeCounts row_counts = {};
  CodeCounter counter;
  const uint64_t row = row_values(run);
  const DTypeInfo* info = find_dtype(run.dtype);
  QLOAD_ASSERT(info != nullptr);
  bool has_whole_rows = row > 0;
  ChunkReader reader;
  std::vector<float> values;
  const uint64_t wanted = std::max<uint64_t>(
      run.chunk_count * std::min(kPreviewBytesMax, run.bytes) / std::max<uint64_t>(run.bytes, 1),
      1);
  for (uint64_t i = 0; i < std::min(wanted, run.chunk_count); ++i) {
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "cancelled");
    QLOAD_CHECK(model.read(run, i * run.chunk_count / wanted, reader));
    values.resize(reader.decoded.size() / info->block_bytes);
    encode::decode_floats(
        run.dtype, std::span(reader.decoded).first(values.size() * info->block_bytes), values);
    counter.count(values, static_cast<float>(absmax), tensor_counts);
    has_whole_rows = has_whole_rows && values.size() % row == 0;
    if (!has_whole_rows) continue;
    for (std::span<const float> rest = values; !rest.empty(); rest = rest.subspan(row)) {
      counter.count(rest.first(row), std::nullopt, row_counts);
    }
  }
  const auto tensor_wise = codes_of(tensor_counts);
  if (!tensor_wise) return std::optional<Int8Preview>();
  return std::optional(Int8Preview{
      *tensor_wise, has_whole_rows ? codes_of(row_counts) : std::optional<Int8Codes>()});
}

}  // namespace

std::vector<uint32_t> typical_tensors(const ModelAnalysis& analysis) {
  constexpr uint32_t kNone = UINT32_MAX;
  std::array<uint32_t, kTensorKindCount> largest;
  largest.fill(kNone);
  for (uint32_t i = 0; i < analysis.tensors.size(); ++i) {
    const TensorAnalysis& tensor = analysis.tensors[i];
    if (tensor.histogram.counts.empty() || tensor.same_as || tensor.inferred) continue;
    uint32_t& best = largest[static_cast<size_t>(tensor.kind)];
    if (best == kNone || tensor.figures.bytes > analysis.tensors[best].figures.bytes) best = i;
  }
  std::vector<uint32_t> all;
  std::ranges::copy_if(largest, std::back_inserter(all), [&](uint32_t i) { return i != kNone; });
  std::vector<uint32_t> large;
  std::ranges::copy_if(all, std::back_inserter(large), [&](uint32_t i) {
    return analysis.tensors[i].figures.value_count >= kTypicalValuesMin;
  });
  return large.empty() ? all : large;
}

Result<std::vector<ValuePreview>> preview_values(const ChunkedModel& model,
                                                 const ModelAnalysis& analysis,
                                                 const std::stop_token& stop) {
  std::vector<ValuePreview> previews;
  for (const uint32_t tensor : typical_tensors(analysis)) {
    const ChunkRun& run = model.runs()[tensor];  // Runs of tensors come first, in their order.
    QLOAD_ASSERT(run.name == analysis.tensors[tensor].name);
    ValuePreview preview{.tensor = tensor, .int8 = std::nullopt};
    if (encode::is_plain_float(run.dtype)) {
      const double absmax = analysis.tensors[tensor].values.absmax();
      QLOAD_TRY(preview.int8, preview_int8(model, run, absmax, stop));
    }
    previews.push_back(std::move(preview));
  }
  return previews;
}

}  // namespace qload::analyze
