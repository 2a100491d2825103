// Random codes for lane_reference.h.
#include <algorithm>
#include <numeric>

#include "tests/support/lane_reference.h"

namespace qload::test {
namespace {

size_t below(std::mt19937_64& random, size_t limit) { return random() % limit; }

/// Lengths of the leaves of a binary tree of `count` leaves, at most 8 levels deep: a random one,
/// or one that is as deep as it can be.
std::vector<uint8_t> random_leaves(std::mt19937_64& random, size_t count) {
  const bool deep = below(random, 3) == 0;
  std::vector<uint8_t> lengths = {0};
  while (lengths.size() < count) {
    size_t at = below(random, lengths.size());
    if (deep) at = lengths.size() - 1;
    while (lengths[at] == 8) at = (at + lengths.size() - 1) % lengths.size();
    ++lengths[at];
    lengths.insert(lengths.begin() + static_cast<ptrdiff_t>(at), lengths[at]);
  }
  return lengths;
}

/// Symbols that get a code, in random order.
std::vector<uint32_t> choose_symbols(std::mt19937_64& random, const std::vector<bool>& occurs,
                                     bool escape) {
  std::vector<uint32_t> chosen;
  const size_t keep = 1 + below(random, 4);   // Of 4, if there is an escape.
  const size_t extra = below(random, 2) * 8;  // One in so many that do not occur.
  for (uint32_t symbol = 0; symbol < occurs.size(); ++symbol) {
    const bool kept = occurs[symbol] ? !escape || below(random, 4) < keep
                                     : extra > 0 && below(random, extra) == 0;
    if (kept) chosen.push_back(symbol);
  }
  if (chosen.empty()) chosen.push_back(static_cast<uint32_t>(below(random, occurs.size())));
  if (below(random, 2) == 0) std::shuffle(chosen.begin(), chosen.end(), random);
  if (escape && chosen.size() > 255) chosen.resize(255);
  return chosen;
}

}  // namespace

LaneRecipe random_lane_recipe(std::mt19937_64& random, std::span<const std::byte> bytes,
                              bool nibbles) {
  LaneRecipe recipe;
  recipe.nibbles = nibbles;
  recipe.groups = bytes.size() >= 256 && below(random, 2) == 0 ? 4 : 1;
  recipe.raw_bits = nibbles ? 0 : static_cast<uint32_t>(below(random, 5));
  const size_t count = nibbles ? 16 : 256u >> recipe.raw_bits;
  std::vector<bool> occurs(count);
  for (const std::byte byte : bytes) {
    const auto value = static_cast<uint32_t>(byte);
    occurs[(nibbles ? value & 15 : value) >> recipe.raw_bits] = true;
    if (nibbles) occurs[value >> 4] = true;
  }
  const bool escape = !nibbles && below(random, 2) == 0;
  const auto symbols = choose_symbols(random, occurs, escape);
  auto leaves = random_leaves(random, symbols.size() + (escape ? 1 : 0));
  // A list from one of the symbols to the last one on the circle, or somewhat longer.
  const size_t from = symbols[below(random, symbols.size())];
  size_t longest = 0;
  for (uint32_t symbol : symbols) longest = std::max(longest, (symbol + count - from) % count);
  const bool lone = symbols.size() == 1 && !escape;
  const size_t before = lone ? 0 : below(random, count - longest);
  const size_t span = longest + 1 + before;
  recipe.first_symbol = static_cast<uint32_t>((from + count - before) % count);
  recipe.lengths.assign(span, 0);
  if (escape) {
    recipe.escape_length = leaves.back();
    leaves.pop_back();
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    recipe.lengths[(symbols[i] + count - recipe.first_symbol) % count] = leaves[i];
  }
  return recipe;
}

std::vector<std::byte> random_lane_stream(std::mt19937_64& random, std::span<const std::byte> bytes,
                                          bool nibbles) {
  LaneRecipe recipe = random_lane_recipe(random, bytes, nibbles);
  if (recipe.escape_length == 0 || bytes.size() < 320 || below(random, 2) == 0) {
    return reference_stream(recipe, bytes);
  }
  // Few symbols with codes leave escapes enough to be worth a stream of their own.
  const size_t symbols = 256u >> recipe.raw_bits;
  const auto row_bytes = bytes.first(bytes.size() / (64 * recipe.groups) * 64 * recipe.groups);
  std::vector<std::byte> escapes;
  for (const std::byte byte : row_bytes) {
    const size_t symbol = static_cast<size_t>(byte) >> recipe.raw_bits;
    const size_t place = (symbol + symbols - recipe.first_symbol) % symbols;
    const bool coded = place < recipe.lengths.size() && recipe.lengths[place] > 0;
    if (!coded) escapes.push_back(byte);
  }
  for (int attempt = 0; attempt < 3 && escapes.size() > 200; ++attempt) {
    const LaneRecipe inner = random_lane_recipe(random, escapes, false);
    if (reference_stream(inner, escapes).size() >= escapes.size()) continue;
    recipe.nested = &inner;
    return reference_stream(recipe, bytes);
  }
  return reference_stream(recipe, bytes);
}

}  // namespace qload::test
