#include "format/pack/recipe.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "format/base/assert.h"
#include "format/filter/ggml_blocks.h"

namespace qload {
namespace {

// A sample is 32 KiB in pieces spread over the chunk: 3 % of 1 MiB, so that its histograms and
// trials cost a few per cent of encoding it.
constexpr size_t kSamplePieces = 4;
constexpr size_t kSamplePieceBytes = 8u << 10;
// A chunk of up to this size is its own sample.
constexpr size_t kWholeSampleBytes = 128u << 10;
// A form larger than the sample promised, by this share of it and so many bytes, has fallbacks
// tried.
constexpr double kSurprise = 0.05;
constexpr double kSurpriseBytes = 4096;
// zstd's own default, for text and tables; the fastest with entropy-coded literals, for weights.
constexpr int kTextLevel = 3;
constexpr int kWeightLevel = 1;
constexpr int kSmallestLevel = 19;
// 64 lanes begin with a window of 2 bytes each, which no smaller stream pays for.
constexpr size_t kLanesBytesMin = 1024;
// docs/format.md, "Stream record".
constexpr uint64_t kStreamRecordBytes = 16;

constexpr CodecParameters literals_only() { return {kWeightLevel, true}; }
constexpr CodecParameters matching(int level) { return {level, false}; }

/// The filters that can make sense of `dtype`. None comes first: it is the one to beat.
std::span<const FilterId> candidate_filters(DType dtype, ContentKind kind) {
  using enum FilterId;
  static constexpr std::array kOnlyNone = {kNone};
  static constexpr std::array kInts2 = {kNone, kBytePlanes2};
  static constexpr std::array kInts4 = {kNone, kBytePlanes4};
  static constexpr std::array kInts8 = {kNone, kBytePlanes8};
  static constexpr std::array kHalf = {kNone, kBytePlanes2, kFloatPlanes2};
  static constexpr std::array kBrain = {kNone, kFloatPlanes2};
  static constexpr std::array kSingle = {kNone, kFloatPlanes4};
  static constexpr std::array kDouble = {kNone, kBytePlanes8};
  // Unknown files hold tensors as often as not (ONNX, TFLite, PyTorch).
  static constexpr std::array kUnknown = {kNone, kBytePlanes2, kFloatPlanes2, kFloatPlanes4};
  if (kind == ContentKind::kKept) return kOnlyNone;
  if (kind == ContentKind::kRaw) return kUnknown;
  switch (dtype) {
    case DType::kF16:
      return kHalf;
    case DType::kBF16:
      return kBrain;
    case DType::kI16:
    case DType::kU16:
      return kInts2;
    case DType::kF32:
    case DType::kC64:
      return kSingle;
    case DType::kI32:
    case DType::kU32:
      return kInts4;
    case DType::kF64:
      return kDouble;
    case DType::kI64:
    case DType::kU64:
      return kInts8;
    default:
      return kOnlyNone;
  }
}

/// The spans of a filter's streams in `planes`, one after the other.
std::array<std::span<std::byte>, kStreamCountMax> stream_spans(const Filter& filter,
                                                               std::span<std::byte> planes) {
  std::array<std::span<std::byte>, kStreamCountMax> spans;
  uint64_t offset = 0;
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    const uint64_t bytes = filter.stream_bytes(planes.size(), i);
    spans[i] = planes.subspan(offset, bytes);
    offset += bytes;
  }
  return spans;
}

/// Whole blocks, or whole words of every byte plane filter.
size_t sample_unit(DType dtype) {
  const DTypeInfo* info = find_dtype(dtype);
  return info == nullptr || info->block_bytes < 8 ? 8 : info->block_bytes;
}

const Filter& filter_of(FilterId id) {
  const Filter* filter = find_filter(id);
  QLOAD_ASSERT(filter != nullptr);
  return *filter;
}

}  // namespace

RecipeChooser::RecipeChooser(const RecipeOptions& options) : options_(options) {}

RecipeChoice RecipeChooser::choose(DType dtype, ContentKind kind,
                                   std::span<const std::byte> chunk) {
  QLOAD_ASSERT(!chunk.empty());
  plans_.clear();
  const bool smallest = options_.device.decode_weight == 0;
  const int level = kind == ContentKind::kTensor ? kWeightLevel : kTextLevel;
  const CodecParameters match =
      matching(options_.zstd_level.value_or(smallest ? kSmallestLevel : level));
  if (options_.codec && options_.filter) {
    return fixed_codec(*options_.codec, match, *options_.filter);
  }
  Sample sample = take_sample(dtype, chunk);
  if (options_.codec) sample.whole = false;  // Only the filter is chosen: histograms will do.
  plans_.push_back(raw_plan(sample));
  if (options_.filter) {
    plans_.push_back(plan_for(*options_.filter, sample, match));
  } else {
    for (FilterId filter : candidate_filters(dtype, kind)) {
      plans_.push_back(plan_for(filter, sample, match));
    }
    const FilterId blocks = kind == ContentKind::kTensor ? block_filter_of(dtype) : FilterId::kNone;
    if (blocks != FilterId::kNone) plans_.push_back(plan_for(blocks, sample, match));
  }
  size_t best = 0;
  for (size_t i = 1; i < plans_.size(); ++i) {
    const double gain = plans_[i].filter == plans_[best].filter ? 0.0 : kFilterGainMin;
    if (plans_[i].cost < plans_[best].cost * (1.0 - gain)) best = i;
  }
  if (options_.codec) {
    const FilterId filter = plans_[best].filter;
    return fixed_codec(*options_.codec, match, options_.filter.value_or(filter));
  }
  RecipeChoice choice{recipe_of(plans_[best])};
  if (sample.whole) return choice;
  const Plan matched = match_plan(plans_[best], match, sample);
  plans_.push_back(matched);
  if (matched.cost < plans_[best].cost) {
    choice.rival = choice.recipe;
    choice.recipe = recipe_of(matched);
    best = plans_.size() - 1;
  }
  choice.expected_share = static_cast<double>(plans_[best].stored_bytes) /
                          static_cast<double>(plans_[best].sample_bytes);
  add_fallbacks(match, choice);
  return choice;
}

/// What is safe whatever the sample hid: the entropy coder for every stream, and match search. For
/// the smallest container all are tried in any case.
void RecipeChooser::add_fallbacks(const CodecParameters& match, RecipeChoice& choice) const {
  const FilterId filter = choice.recipe.filter;
  std::vector<ChunkRecipe> all = {{filter, CodecId::kLaneHuffman},
                                  {FilterId::kNone, CodecId::kZstd, match}};
  if (options_.device.decode_weight == 0) {
    choice.expected_share = 0;
    all.push_back({filter, CodecId::kFse});
    all.push_back({filter, CodecId::kZstd, match});
  }
  for (ChunkRecipe& recipe : all) {
    if (options_.filter && recipe.filter != *options_.filter) continue;
    recipe.gain_min = recipe.chunk_gain_min = options_.gain_min;
    choice.fallbacks.push_back(recipe);
  }
}

RecipeChoice RecipeChooser::fixed_codec(CodecId codec, const CodecParameters& match,
                                        FilterId filter) const {
  ChunkRecipe recipe{filter, codec, options_.zstd_level ? match : literals_only()};
  recipe.gain_min = recipe.chunk_gain_min = options_.gain_min;
  return {recipe};
}

RecipeChooser::Sample RecipeChooser::take_sample(DType dtype, std::span<const std::byte> chunk) {
  if (chunk.size() <= kWholeSampleBytes) return {chunk, true};
  const size_t unit = sample_unit(dtype);
  const size_t piece = std::max(kSamplePieceBytes / unit, size_t{1}) * unit;
  const size_t stride = chunk.size() / kSamplePieces / unit * unit;
  sample_.resize(kSamplePieces * piece);
  for (size_t i = 0; i < kSamplePieces; ++i) {
    const size_t at = i * stride + (stride - piece) / 2 / unit * unit;
    std::memcpy(sample_.data() + i * piece, chunk.data() + at, piece);
  }
  return {sample_, false};
}

std::span<const std::byte> RecipeChooser::split_sample(FilterId filter,
                                                       std::span<const std::byte> bytes) {
  if (filter == FilterId::kNone) return bytes;
  const Filter& split = filter_of(filter);
  planes_.resize(bytes.size());
  const auto streams = stream_spans(split, std::span(planes_));
  split.split(bytes, std::span(streams).first(split.stream_count));
  return planes_;
}

RecipeChooser::Plan RecipeChooser::raw_plan(const Sample& sample) const {
  Plan plan;
  plan.kind = PlanKind::kRaw;
  plan.sample_bytes = plan.stored_bytes = sample.bytes.size();
  plan.streams[0].stored_bytes = sample.bytes.size();
  plan.cost = raw_cost(options_.device, sample.bytes.size());
  plan.streams[0].cost = plan.cost;
  return plan;
}

RecipeChooser::Plan RecipeChooser::plan_for(FilterId filter, const Sample& sample,
                                            const CodecParameters& match) {
  const Filter& split = filter_of(filter);
  const std::span<const std::byte> planes = split_sample(filter, sample.bytes);
  Plan plan;
  plan.filter = filter;
  plan.sample_bytes = sample.bytes.size();
  uint64_t offset = 0;
  for (uint32_t i = 0; i < split.stream_count; ++i) {
    const auto stream = planes.subspan(offset, split.stream_bytes(sample.bytes.size(), i));
    if (stream.empty()) continue;
    offset += stream.size();
    plan.streams[i] = sample.whole ? try_stream(stream, match)
                                   : cheapest_stream(options_.device, count_bytes(stream),
                                                     stream.size(), options_.gain_min);
    plan.stored_bytes += plan.streams[i].stored_bytes;
    plan.cost += plan.streams[i].cost;
  }
  // Every stream has a record in the index.
  const uint64_t records = sample.whole ? (split.stream_count - 1) * kStreamRecordBytes : 0;
  plan.cost += static_cast<double>(records) / options_.device.storage_bytes_per_second;
  plan.cost += merge_cost(options_.device, filter, sample.bytes.size());
  return plan;
}

/// In a small stream headers and code tables weigh as much as the entropy: each codec is tried.
StreamEstimate RecipeChooser::try_stream(std::span<const std::byte> stream,
                                         const CodecParameters& match) {
  StreamEstimate best{{}, stream.size(), 0};
  best.cost = stream_cost(options_.device, CodecId::kStore, stream.size(), stream.size());
  const double worth = static_cast<double>(stream.size()) * (1.0 - options_.gain_min);
  coded_.resize(stream.size());
  const StreamRecipe recipes[] = {{CodecId::kConstant, {}},
                                  {CodecId::kLaneHuffman, {}},
                                  {CodecId::kZstd, literals_only()},
                                  {CodecId::kZstd, match},
                                  {CodecId::kFse, {}}};
  // Where the entropy leaves too little to gain, only repetition can help.
  const bool order_0_gains = static_cast<double>(order_0_bits(count_bytes(stream))) / 8 <= worth;
  for (const StreamRecipe& recipe : recipes) {
    if (stream.size() < 2) break;
    const bool match_search = recipe.codec == CodecId::kZstd && !recipe.parameters.literals_only;
    if (!order_0_gains && !match_search) continue;
    if (recipe.codec == CodecId::kLaneHuffman && stream.size() < kLanesBytesMin) continue;
    const auto coded =
        encoder_for(recipe).encode(stream, std::span(coded_).first(stream.size() - 1));
    if (!coded || static_cast<double>(*coded) > worth) continue;
    const double cost = stream_cost(options_.device, recipe.codec, *coded, stream.size());
    if (cost < best.cost) best = {recipe, *coded, cost};
    if (recipe.codec == CodecId::kConstant) break;
  }
  return best;
}

/// `plan`, or no filter, with match search: by how much that gains over literals alone on the
/// sample is what it would gain over the plan's entropy codes.
RecipeChooser::Plan RecipeChooser::match_plan(const Plan& plan, const CodecParameters& match,
                                              const Sample& sample) {
  Plan matched;
  matched.kind = PlanKind::kMatch;
  matched.sample_bytes = sample.bytes.size();
  matched.filter = plan.filter;
  matched.stored_bytes = trial_bytes(plan.filter, match, sample);
  if (plan.filter != FilterId::kNone && !options_.filter) {
    // Repeated whole elements are matches only while their bytes stand together.
    const uint64_t plain = trial_bytes(FilterId::kNone, match, sample);
    if (plain < matched.stored_bytes) {
      matched.stored_bytes = plain;
      matched.filter = FilterId::kNone;
    }
  }
  const uint64_t literals = trial_bytes(plan.filter, literals_only(), sample);
  // A sample pays for code tables that a whole chunk has once in 128 KiB: scale them away.
  if (matched.filter == plan.filter) {
    const double gain = static_cast<double>(matched.stored_bytes) / static_cast<double>(literals);
    const auto entropy_coded = static_cast<double>(std::min(plan.stored_bytes, literals));
    matched.stored_bytes = static_cast<uint64_t>(gain * entropy_coded);
  }
  for (uint32_t i = 0; i < filter_of(matched.filter).stream_count; ++i) {
    matched.streams[i].recipe = {CodecId::kZstd, match};
  }
  matched.cost =
      stream_cost(options_.device, CodecId::kZstd, matched.stored_bytes, sample.bytes.size()) +
      merge_cost(options_.device, matched.filter, sample.bytes.size());
  return matched;
}

uint64_t RecipeChooser::trial_bytes(FilterId filter, const CodecParameters& parameters,
                                    const Sample& sample) {
  const Filter& split = filter_of(filter);
  const std::span<const std::byte> planes = split_sample(filter, sample.bytes);
  Encoder& encoder = encoder_for({CodecId::kZstd, parameters});
  coded_.resize(sample.bytes.size());
  uint64_t total = 0;
  uint64_t offset = 0;
  for (uint32_t i = 0; i < split.stream_count; ++i) {
    const uint64_t bytes = split.stream_bytes(sample.bytes.size(), i);
    if (bytes == 0) continue;
    const auto coded =
        encoder.encode(planes.subspan(offset, bytes), std::span(coded_).first(bytes - 1));
    offset += bytes;
    total += coded.value_or(bytes);
  }
  return total;
}

Encoder& RecipeChooser::encoder_for(const StreamRecipe& recipe) {
  for (Trial& trial : trials_) {
    if (trial.recipe.codec == recipe.codec &&
        trial.recipe.parameters.level == recipe.parameters.level &&
        trial.recipe.parameters.literals_only == recipe.parameters.literals_only) {
      return *trial.encoder;
    }
  }
  trials_.push_back({recipe, find_codec(recipe.codec)->make_encoder(recipe.parameters)});
  return *trials_.back().encoder;
}

ChunkRecipe RecipeChooser::recipe_of(const Plan& plan) const {
  ChunkRecipe recipe{plan.filter, CodecId::kStore};
  for (uint32_t i = 0; i < kStreamCountMax; ++i) {
    recipe.streams[i] = plan.streams[i].recipe;
    // Constant streams are found whatever the recipe says. One that only looked constant is nearly
    // so, and match search makes nothing of its runs.
    if (plan.streams[i].recipe.codec == CodecId::kConstant) {
      recipe.streams[i] = StreamRecipe{CodecId::kZstd, matching(kWeightLevel)};
    }
  }
  recipe.gain_min = recipe.chunk_gain_min = options_.gain_min;
  return recipe;
}

double decode_seconds(const TargetDevice& device, const RecipeChooser::Plan& plan) {
  if (plan.kind == PlanKind::kRaw) return 0;
  const Filter& filter = filter_of(plan.filter);
  double seconds = merge_seconds(device, plan.filter, plan.sample_bytes);
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    seconds += decode_seconds(device, plan.streams[i].recipe.codec,
                              filter.stream_bytes(plan.sample_bytes, i));
  }
  return seconds;
}

ChunkForm cheapest_form(const RecipeChoice& choice, const TargetDevice& device,
                        const std::function<ChunkForm(const ChunkRecipe&)>& encode,
                        const std::function<void()>& keep) {
  ChunkForm best = encode(choice.recipe);
  keep();
  const auto consider = [&](const ChunkRecipe& recipe) {
    const ChunkForm form = encode(recipe);
    if (chunk_cost(device, form) > chunk_cost(device, best)) return;
    best = form;
    keep();
  };
  const double expected =
      choice.expected_share * (1 + kSurprise) * best.decoded_bytes + kSurpriseBytes;
  const bool surprised = static_cast<double>(best.stored_bytes) > expected;
  if (choice.rival) consider(*choice.rival);
  for (const ChunkRecipe& recipe : choice.fallbacks) {
    if (surprised) consider(recipe);
  }
  return best;
}

ChunkForm encode_by_choice(EncodeContext& context, std::span<const std::byte> chunk,
                           const RecipeChoice& choice, const TargetDevice& device,
                           std::vector<std::byte>& stored, std::vector<std::byte>& scratch) {
  return cheapest_form(
      choice, device,
      [&](const ChunkRecipe& recipe) { return encode_chunk(context, chunk, recipe, scratch); },
      [&] { stored.swap(scratch); });
}

}  // namespace qload
