#include "format/pack/recipe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "format/base/assert.h"

namespace qload {
namespace {

// A sample is two pieces, at a quarter and three quarters of the chunk: 3 % of a 1 MiB chunk, so
// that its trials cost a few per cent of encoding it.
constexpr size_t kSamplePieceBytes = 16u << 10;
// A chunk of up to this size is its own sample.
constexpr size_t kWholeSampleBytes = 4 * kSamplePieceBytes;
// What match search must save over literals-only coding, which decodes up to 2.6 times as fast
// (docs/performance.md).
constexpr double kMatchGainMin = 0.03;
// What byte planes must save over unfiltered coding, to pay for merging them.
constexpr double kFilterGainMin = 0.02;
// zstd's own default, for text and tables; the fastest with entropy-coded literals, for weights.
constexpr int kTextLevel = 3;
constexpr int kWeightLevel = 1;
// What one entropy-coded stream spends on its header and code table, in an estimate.
constexpr uint64_t kCodeTableBytes = 96;

constexpr CodecParameters literals_only() { return {kWeightLevel, true}; }
constexpr CodecParameters matching(int level) { return {level, false}; }

/// The filters that can make sense of `dtype`. None comes first: it is the one to beat.
std::span<const FilterId> candidate_filters(DType dtype, ContentKind kind) {
  using enum FilterId;
  static constexpr std::array kOnlyNone = {kNone};
  static constexpr std::array kPlanes2 = {kNone, kBytePlanes2};
  static constexpr std::array kPlanes4 = {kNone, kBytePlanes4};
  static constexpr std::array kPlanes8 = {kNone, kBytePlanes8};
  // Unknown files hold tensors as often as not (ONNX, TFLite, PyTorch).
  static constexpr std::array kUnknown = {kNone, kBytePlanes2, kBytePlanes4};
  if (kind == ContentKind::kKept) return kOnlyNone;
  if (kind == ContentKind::kRaw) return kUnknown;
  switch (dtype) {
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
    case DType::kU16:
      return kPlanes2;
    case DType::kF32:
    case DType::kI32:
    case DType::kU32:
    case DType::kC64:
      return kPlanes4;
    case DType::kF64:
    case DType::kI64:
    case DType::kU64:
      return kPlanes8;
    default:
      return kOnlyNone;
  }
}

/// Bytes that an ideal order-0 code of `bytes` takes.
uint64_t order_0_bytes(std::span<const std::byte> bytes) {
  std::array<uint32_t, 256> counts = {};
  for (std::byte byte : bytes) counts[static_cast<uint8_t>(byte)] += 1;
  double bits = 0;
  auto total = static_cast<double>(bytes.size());
  for (uint32_t count : counts) {
    if (count > 0) bits -= count * std::log2(count / total);
  }
  return static_cast<uint64_t>(bits / 8) + kCodeTableBytes;
}

/// True when `coded` is enough below `plain` to be worth `gain`.
bool gains(uint64_t coded, uint64_t plain, double gain) {
  return static_cast<double>(coded) <= static_cast<double>(plain) * (1.0 - gain);
}

/// The spans of a filter's streams in `planes`, one after the other.
template <class Byte>
std::array<std::span<Byte>, kStreamCountMax> stream_spans(const Filter& filter,
                                                          std::span<Byte> planes) {
  std::array<std::span<Byte>, kStreamCountMax> spans;
  uint64_t offset = 0;
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    uint64_t bytes = filter.stream_bytes(planes.size(), i);
    spans[i] = planes.subspan(offset, bytes);
    offset += bytes;
  }
  return spans;
}

}  // namespace

RecipeChooser::RecipeChooser(const RecipeOptions& options) : options_(options) {}

RecipeChoice RecipeChooser::choose(DType dtype, ContentKind kind,
                                   std::span<const std::byte> chunk) {
  QLOAD_ASSERT(!chunk.empty());
  std::span<const std::byte> sample = take_sample(chunk);
  std::array<FilterId, 1> fixed = {options_.filter.value_or(FilterId::kNone)};
  std::span<const FilterId> candidates =
      options_.filter ? std::span<const FilterId>(fixed) : candidate_filters(dtype, kind);
  FilterId filter = choose_filter(candidates, sample);

  int text_or_weights = kind == ContentKind::kTensor ? kWeightLevel : kTextLevel;
  CodecParameters match = matching(options_.zstd_level.value_or(text_or_weights));
  if (options_.codec) {
    // A codec other than zstd ignores its parameters.
    return {make_recipe(filter, options_.zstd_level ? match : literals_only()), std::nullopt};
  }

  uint64_t literal_bytes = trial_bytes(filter, literals_only(), sample);
  uint64_t match_bytes = trial_bytes(filter, match, sample);
  FilterId match_filter = filter;
  if (filter != FilterId::kNone && !options_.filter) {
    // Repeated whole elements are matches only while their bytes stand together.
    uint64_t plain_bytes = trial_bytes(FilterId::kNone, match, sample);
    if (plain_bytes < match_bytes) {
      match_bytes = plain_bytes;
      match_filter = FilterId::kNone;
    }
  }
  ChunkRecipe literal_recipe = make_recipe(filter, literals_only());
  if (!gains(match_bytes, literal_bytes, kMatchGainMin)) return {literal_recipe, std::nullopt};
  return {make_recipe(match_filter, match), literal_recipe};
}

std::span<const std::byte> RecipeChooser::take_sample(std::span<const std::byte> chunk) {
  if (chunk.size() <= kWholeSampleBytes) return chunk;
  sample_.resize(2 * kSamplePieceBytes);
  size_t quarter = chunk.size() / 4 / 8 * 8;  // On 8 bytes, so that elements stay whole.
  std::memcpy(sample_.data(), chunk.data() + quarter, kSamplePieceBytes);
  std::memcpy(sample_.data() + kSamplePieceBytes, chunk.data() + 3 * quarter, kSamplePieceBytes);
  return sample_;
}

std::span<const std::byte> RecipeChooser::split_sample(FilterId filter,
                                                       std::span<const std::byte> sample) {
  if (filter == FilterId::kNone) return sample;
  const Filter* split = find_filter(filter);
  QLOAD_ASSERT(split != nullptr);
  planes_.resize(sample.size());
  auto streams = stream_spans(*split, std::span(planes_));
  split->split(sample, std::span(streams).first(split->stream_count));
  return planes_;
}

FilterId RecipeChooser::choose_filter(std::span<const FilterId> candidates,
                                      std::span<const std::byte> sample) {
  FilterId best = candidates[0];
  if (candidates.size() == 1) return best;
  uint64_t best_bytes = entropy_bytes(best, sample);
  for (FilterId candidate : candidates.subspan(1)) {
    uint64_t bytes = entropy_bytes(candidate, sample);
    if (gains(bytes, best_bytes, kFilterGainMin)) {
      best = candidate;
      best_bytes = bytes;
    }
  }
  return best;
}

uint64_t RecipeChooser::entropy_bytes(FilterId filter, std::span<const std::byte> sample) {
  auto streams = stream_spans(*find_filter(filter), split_sample(filter, sample));
  uint64_t total = 0;
  for (std::span<const std::byte> stream : streams) {
    uint64_t coded = order_0_bytes(stream);
    total += gains(coded, stream.size(), options_.gain_min) ? coded : stream.size();
  }
  return total;
}

uint64_t RecipeChooser::trial_bytes(FilterId filter, const CodecParameters& parameters,
                                    std::span<const std::byte> sample) {
  auto streams = stream_spans(*find_filter(filter), split_sample(filter, sample));
  Encoder& encoder = encoder_for(parameters);
  coded_.resize(sample.size());
  uint64_t total = 0;
  for (std::span<const std::byte> stream : streams) {
    if (stream.empty()) continue;
    auto coded = encoder.encode(stream, std::span(coded_).first(stream.size() - 1));
    bool worth = coded && gains(*coded, stream.size(), options_.gain_min);
    total += worth ? *coded : stream.size();
  }
  return total;
}

Encoder& RecipeChooser::encoder_for(const CodecParameters& parameters) {
  for (Trial& trial : trials_) {
    if (trial.parameters.level == parameters.level &&
        trial.parameters.literals_only == parameters.literals_only) {
      return *trial.encoder;
    }
  }
  trials_.push_back({parameters, find_codec(CodecId::kZstd)->make_encoder(parameters)});
  return *trials_.back().encoder;
}

ChunkRecipe RecipeChooser::make_recipe(FilterId filter, const CodecParameters& parameters) const {
  return {filter, options_.codec.value_or(CodecId::kZstd), parameters, options_.gain_min};
}

ChunkForm encode_by_choice(EncodeContext& context, std::span<const std::byte> chunk,
                           const RecipeChoice& choice, std::vector<std::byte>& stored,
                           std::vector<std::byte>& scratch) {
  ChunkForm form = encode_chunk(context, chunk, choice.recipe, stored);
  if (!choice.rival) return form;
  ChunkForm rival = encode_chunk(context, chunk, *choice.rival, scratch);
  if (gains(form.stored_bytes, rival.stored_bytes, kMatchGainMin)) return form;
  stored.swap(scratch);
  return rival;
}

}  // namespace qload
