// Which filter and codecs a chunk gets, and why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/pack/cost_model.h"
#include "format/pack/stream_estimate.h"
#include "qload/tensor.h"

namespace qload {

/// What another filter must save of a chunk's cost: chance alone makes one a little better.
inline constexpr double kFilterGainMin = 0.01;

/// What the caller fixes; what is left open is chosen chunk by chunk.
struct RecipeOptions {
  std::optional<FilterId> filter;
  std::optional<CodecId> codec;
  std::optional<int> zstd_level;
  double gain_min = 0.02;  ///< As in PackOptions.
  TargetDevice device = mid_device();
};

/// What a chunk's bytes are, as far as the packer knows.
enum class ContentKind : uint8_t {
  kTensor,  ///< Elements of a known type.
  kRaw,     ///< A file of unknown structure, packed whole.
  kKept,    ///< Headers and companion files: mostly text and tables.
};

/// A recipe to encode with and, where only encoding can tell, others.
struct RecipeChoice {
  ChunkRecipe recipe;
  std::optional<ChunkRecipe> rival = {};
  /// Tried too when `recipe` makes more than `expected_share` of the chunk's bytes by a margin: the
  /// sample was not like the chunk.
  std::vector<ChunkRecipe> fallbacks = {};
  double expected_share = 1.0;
};

/// What a way to store a chunk rests on.
enum class PlanKind : uint8_t {
  kRaw,     ///< Read in place.
  kFilter,  ///< The cheapest codec for each stream of a filter.
  kMatch,   ///< zstd with match search, tried on the sample.
};

/// Chooses by histograms of a sample of the chunk, and one trial of match search on it. Holds the
/// working memory of both; one thread at a time. The choice depends on the arguments alone: the
/// same chunk, the same recipe.
class RecipeChooser {
 public:
  explicit RecipeChooser(const RecipeOptions& options);
  /// Chooses for another device from now on. Working memory stays.
  void aim_at(const TargetDevice& device) { options_.device = device; }

  /// REQUIRES: chunk is not empty.
  RecipeChoice choose(DType dtype, ContentKind kind, std::span<const std::byte> chunk);

  /// One way to store a chunk, as estimated on a sample of `sample_bytes` bytes.
  struct Plan {
    PlanKind kind = PlanKind::kFilter;
    FilterId filter = FilterId::kNone;
    std::array<StreamEstimate, kStreamCountMax> streams = {};
    uint64_t sample_bytes = 0;
    uint64_t stored_bytes = 0;
    double cost = 0;
  };
  /// The plans compared for a chunk, raw first, then one for each filter that could suit, then
  /// match search when it was tried: what `inspect --why` shows.
  std::span<const Plan> plans() const { return plans_; }

 private:
  struct Trial {
    StreamRecipe recipe;
    std::unique_ptr<Encoder> encoder;
  };
  /// What is looked at of a chunk.
  struct Sample {
    std::span<const std::byte> bytes;
    bool whole = false;  ///< It is all of the chunk.
  };

  Sample take_sample(DType dtype, std::span<const std::byte> chunk);
  std::span<const std::byte> split_sample(FilterId filter, std::span<const std::byte> bytes);
  Plan plan_for(FilterId filter, const Sample& sample, const CodecParameters& match);
  Plan raw_plan(const Sample& sample) const;
  Plan match_plan(const Plan& plan, const CodecParameters& match, const Sample& sample);
  StreamEstimate try_stream(std::span<const std::byte> stream, const CodecParameters& match);
  uint64_t trial_bytes(FilterId filter, const CodecParameters& parameters, const Sample& sample);
  Encoder& encoder_for(const StreamRecipe& recipe);
  ChunkRecipe recipe_of(const Plan& plan) const;
  RecipeChoice fixed_codec(CodecId codec, const CodecParameters& match, FilterId filter) const;
  void add_fallbacks(const CodecParameters& match, RecipeChoice& choice) const;

  RecipeOptions options_;
  std::vector<Plan> plans_;
  std::vector<Trial> trials_;
  std::vector<std::byte> sample_;
  std::vector<std::byte> planes_;
  std::vector<std::byte> coded_;
};

/// Seconds that one core decodes the sample of `plan` again: what its cost has beside reading,
/// before it is weighted and shared among threads. 0 for a raw chunk.
double decode_seconds(const TargetDevice& device, const RecipeChooser::Plan& plan);

/// Of the forms that `choice` compares the one that costs least on `device`. `encode` makes the
/// form of a recipe, in an order of this function's choosing; `keep` follows when the last one made
/// is the best so far.
ChunkForm cheapest_form(const RecipeChoice& choice, const TargetDevice& device,
                        const std::function<ChunkForm(const ChunkRecipe&)>& encode,
                        const std::function<void()>& keep);

/// Encodes `chunk` by `choice` into `stored`; `scratch` holds another form. Of several, the one
/// that costs least on `device` is kept.
ChunkForm encode_by_choice(EncodeContext& context, std::span<const std::byte> chunk,
                           const RecipeChoice& choice, const TargetDevice& device,
                           std::vector<std::byte>& stored, std::vector<std::byte>& scratch);

}  // namespace qload
