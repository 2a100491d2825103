#include "tests/support/lane_tables.h"

#include <algorithm>
#include <vector>

namespace qload::test {
namespace {

uint32_t below(std::mt19937_64& random, uint32_t limit) {
  return static_cast<uint32_t>(random() % limit);
}

/// Lengths of the leaves of a random binary tree of at most `depth_max` levels, shortest first.
std::vector<uint32_t> random_leaves(std::mt19937_64& random, uint32_t depth_max,
                                    uint32_t leaves_max) {
  std::vector<uint32_t> depths = {0};
  while (depths.size() < leaves_max) {
    const uint32_t at = below(random, static_cast<uint32_t>(depths.size()));
    if (depths[at] == depth_max) {
      if (std::ranges::all_of(depths, [&](uint32_t d) { return d == depth_max; })) break;
      continue;
    }
    depths[at] += 1;
    depths.push_back(depths[at]);
  }
  std::ranges::sort(depths);
  return depths;
}

void fill_free(std::mt19937_64& random, LaneTable& table) {
  size_t at = 0;
  for (uint32_t depth : random_leaves(random, 8, 1 + below(random, 200))) {
    const auto symbol = static_cast<uint8_t>(random() << table.raw_bits);
    for (size_t i = 0; i < 256u >> depth; ++i, ++at) {
      table.symbol[at] = symbol;
      table.length[at] = static_cast<uint8_t>(depth);
    }
  }
}

void fill_cells(std::mt19937_64& random, LaneTable& table) {
  table.cells = true;
  table.symbol_base = static_cast<uint8_t>(random());
  size_t cell = 0;
  for (uint32_t depth : random_leaves(random, 6, 2 + below(random, 63))) {
    uint32_t number = below(random, table.compact ? 32 : 256);
    const auto symbol = static_cast<uint8_t>(table.symbol_base + (number << table.raw_bits));
    const uint32_t length = depth == 6 ? 6 + below(random, 3) : depth;
    for (size_t i = 0; i < 64u >> depth; ++i, ++cell) {
      table.cell_symbol[cell] = symbol;
      table.cell_length[cell] = static_cast<uint8_t>(length);
      for (uint32_t k = 0; k < 4; ++k) {
        const uint32_t step = length > 6 ? k >> (8 - length) : 0;
        table.symbol[4 * cell + k] = static_cast<uint8_t>(symbol + (step << table.raw_bits));
        table.length[4 * cell + k] = static_cast<uint8_t>(length);
      }
    }
  }
}

}  // namespace

LaneTable random_lane_table(std::mt19937_64& random, TableKind kind, uint32_t raw_bits,
                            uint32_t groups, bool escapes) {
  LaneTable table;
  table.raw_bits = raw_bits;
  table.groups = groups;
  table.compact = kind == TableKind::kCompact;
  if (kind == TableKind::kFree) {
    fill_free(random, table);
  } else {
    fill_cells(random, table);
  }
  if (escapes) table.escape_start = 256 - (1u << below(random, 4));
  return table;
}

LaneEncodeTable random_lane_encode_table(std::mt19937_64& random, uint32_t groups) {
  LaneEncodeTable table;
  table.groups = groups;
  for (size_t byte = 0; byte < 256; ++byte) {
    table.length[byte] = static_cast<uint8_t>(below(random, 9));
    const uint32_t mask = 0xFF00u >> table.length[byte] & 0xFF;
    table.code[byte] = static_cast<uint8_t>(random() & mask);
  }
  return table;
}

}  // namespace qload::test
