// The ways to pack a model that the recipe benchmark compares.
#pragma once

#include <span>
#include <string_view>

#include "format/pack/pack.h"

namespace qload::bench {

struct PackingRecipe {
  std::string_view name;
  std::string_view description;
  bool fixed = false;  ///< One codec for everything: what a chosen recipe is measured against.
  PackOptions options = {};
};

/// The default first, then its goals, then every fixed choice. Static storage.
std::span<const PackingRecipe> all_packing_recipes();

}  // namespace qload::bench
