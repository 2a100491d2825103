// Encodes and decodes a chunk by every compared codec, as packing with it alone would, and as qpack
// pack would.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/pack/recipe.h"
#include "qload/result.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// zstd's own default level: what `qpack pack --codec zstd --level 3` takes.
inline constexpr int kZstdDefaultLevel = 3;

struct CodecTrial {
  ChunkForm form;
  double encode_seconds = 0;  ///< Of one core.
  double decode_seconds = 0;
};
using CodecTrials = std::array<CodecTrial, kComparedCodecCount>;

/// Holds the codecs' working memory; one thread at a time.
class ChunkMeter {
 public:
  ChunkMeter();

  /// Tries every codec. What is decoded is compared: kCorrupt when it differs.
  /// REQUIRES: chunk has 1 to kChunkBytesMax bytes.
  Status try_codecs(DType dtype, ContentKind kind, std::span<const std::byte> chunk,
                    CodecTrials& trials);

  /// The form that qpack pack would store the chunk in when it packs for `device`.
  ChunkForm packed_form(DType dtype, ContentKind kind, std::span<const std::byte> chunk,
                        const TargetDevice& device);

 private:
  Status try_codec(const ChunkRecipe& recipe, std::span<const std::byte> chunk, CodecTrial& trial);

  std::vector<RecipeChooser> choosers_;  ///< By ComparedCodec.
  RecipeChooser chooser_;                ///< Of packing.
  EncodeContext encoder_;
  DecodeContext decoder_;
  bool warm_ = false;
  std::vector<std::byte> stored_;
  std::vector<std::byte> scratch_;
  std::vector<std::byte> decoded_;
};

}  // namespace qload::analyze
