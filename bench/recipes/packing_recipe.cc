#include "bench/recipes/packing_recipe.h"

#include <array>

namespace qload::bench {
namespace {

PackOptions goal(PackGoal goal) {
  PackOptions options;
  options.goal = goal;
  return options;
}

PackOptions codec(CodecId codec) {
  PackOptions options;
  options.codec = codec;
  return options;
}

PackOptions zstd_level(int level) {
  PackOptions options = codec(CodecId::kZstd);
  options.zstd_level = level;
  return options;
}

}  // namespace

std::span<const PackingRecipe> all_packing_recipes() {
  static const std::array recipes = {
      PackingRecipe{"default", "chosen chunk by chunk for a mid-range device", false, {}},
      PackingRecipe{"fast-decode", "chosen for fast storage and few cores", false,
                    goal(PackGoal::kFastDecode)},
      PackingRecipe{"max-ratio", "chosen for size alone", false, goal(PackGoal::kSmallest)},
      PackingRecipe{"store", "nothing coded but constants", true, codec(CodecId::kStore)},
      PackingRecipe{"zstd", "zstd, literals only", true, codec(CodecId::kZstd)},
      PackingRecipe{"zstd-1", "zstd with match search, level 1", true, zstd_level(1)},
      PackingRecipe{"zstd-3", "zstd with match search, level 3", true, zstd_level(3)},
      PackingRecipe{"lane_huffman", "lane_huffman", true, codec(CodecId::kLaneHuffman)},
      PackingRecipe{"fse", "fse", true, codec(CodecId::kFse)},
  };
  return recipes;
}

}  // namespace qload::bench
