// Which filter and codec a chunk gets, and why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "format/chunk/chunk.h"
#include "qload/tensor.h"

namespace qload {

/// What the caller fixes; what is left open is chosen chunk by chunk.
struct RecipeOptions {
  std::optional<FilterId> filter;
  std::optional<CodecId> codec;
  std::optional<int> zstd_level;
  double gain_min = 0.02;  ///< As in PackOptions.
};

/// What a chunk's bytes are, as far as the packer knows.
enum class ContentKind : uint8_t {
  kTensor,  ///< Elements of a known type.
  kRaw,     ///< A file of unknown structure, packed whole.
  kKept,    ///< Headers and companion files: mostly text and tables.
};

/// A recipe to encode with and, where only encoding can tell, a second one.
struct RecipeChoice {
  ChunkRecipe recipe;
  std::optional<ChunkRecipe> rival;
};

/// Chooses by trial on a sample of the chunk. Holds the trials' working memory; one thread at a
/// time. The choice depends on the arguments alone: the same chunk, the same recipe.
class RecipeChooser {
 public:
  explicit RecipeChooser(const RecipeOptions& options);

  /// REQUIRES: chunk is not empty.
  RecipeChoice choose(DType dtype, ContentKind kind, std::span<const std::byte> chunk);

 private:
  struct Trial {
    CodecParameters parameters;
    std::unique_ptr<Encoder> encoder;
  };

  std::span<const std::byte> take_sample(std::span<const std::byte> chunk);
  std::span<const std::byte> split_sample(FilterId filter, std::span<const std::byte> sample);
  FilterId choose_filter(std::span<const FilterId> candidates, std::span<const std::byte> sample);
  uint64_t entropy_bytes(FilterId filter, std::span<const std::byte> sample);
  uint64_t trial_bytes(FilterId filter, const CodecParameters& parameters,
                       std::span<const std::byte> sample);
  Encoder& encoder_for(const CodecParameters& parameters);
  ChunkRecipe make_recipe(FilterId filter, const CodecParameters& parameters) const;

  RecipeOptions options_;
  std::vector<Trial> trials_;
  std::vector<std::byte> sample_;
  std::vector<std::byte> planes_;
  std::vector<std::byte> coded_;
};

/// Encodes `chunk` by `choice` into `stored`; `scratch` holds the rival's form. The rival wins
/// unless the first recipe, which decodes more slowly, is worth it.
ChunkForm encode_by_choice(EncodeContext& context, std::span<const std::byte> chunk,
                           const RecipeChoice& choice, std::vector<std::byte>& stored,
                           std::vector<std::byte>& scratch);

}  // namespace qload
