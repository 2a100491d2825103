// Joining neighbours, best pair first: what all byte-pair vocabularies do, whatever "best" is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "tools/qrun/text/token_numbers.h"

namespace qload::qrun {

/// A part of a text that is one token, or will be joined with its neighbours.
struct Symbol {
  size_t begin = 0;
  size_t bytes = 0;           ///< 0 once it is joined to its left neighbour.
  uint32_t token = kNoToken;  ///< kNoToken: only joined with others it is one.
};

/// What two neighbours become.
struct JoinedPair {
  double priority = 0;  ///< The highest is joined first, and of equals the leftmost.
  uint32_t token = kNoToken;
};

/// Joins neighbours in `symbols`, which are in the order of the text, none empty, until `find_pair`
/// gives nothing for any two of them. `find_pair(left, right)` is an optional<JoinedPair>; it must
/// depend on nothing but the two. Takes n log n steps.
template <class FindPair>
void join_symbols(std::vector<Symbol>& symbols, const FindPair& find_pair) {
  struct Candidate {
    JoinedPair pair;
    size_t left;
    size_t right;
    size_t bytes;
    bool operator<(const Candidate& other) const {
      if (pair.priority != other.pair.priority) return pair.priority < other.pair.priority;
      return left > other.left;
    }
  };
  // A doubly linked list over the array: neighbours by index, the count for "none".
  const size_t count = symbols.size();
  std::vector<size_t> previous(count);
  std::vector<size_t> next(count);
  for (size_t i = 0; i < count; ++i) {
    previous[i] = i == 0 ? count : i - 1;
    next[i] = i + 1;
  }
  std::priority_queue<Candidate> candidates;
  const auto consider = [&](size_t left, size_t right) {
    if (left >= count || right >= count) return;
    if (const std::optional<JoinedPair> pair = find_pair(symbols[left], symbols[right])) {
      candidates.push({*pair, left, right, symbols[left].bytes + symbols[right].bytes});
    }
  };
  for (size_t i = 1; i < count; ++i) consider(i - 1, i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    // Symbols only grow or vanish, so a changed pair has other bytes.
    if (left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != best.bytes) continue;
    left.bytes = best.bytes;
    left.token = best.pair.token;
    right.bytes = 0;
    next[best.left] = next[best.right];
    if (next[best.left] < count) previous[next[best.left]] = best.left;
    consider(previous[best.left], best.left);
    consider(best.left, next[best.left]);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.bytes == 0; });
}

}  // namespace qload::qrun
