#include "format/codec/lane_huffman/lane_code.h"

#include <algorithm>
#include <cstring>

#include "format/base/format_text.h"

namespace qload {
namespace {

/// The Kraft sum's one, in units of the longest code.
constexpr uint32_t kWhole = 1u << kCodeBitsMax;

/// The part of kWhole that a code of `length` bits takes.
constexpr uint32_t share(uint32_t length) { return kWhole >> length; }

/// Calls visit(symbol, length, start) for each symbol with a code, in the order of codes; `start`
/// is the code's first peek.
template <class Visit>
void each_code(const LaneCode& code, Visit visit) {
  uint32_t start = 0;
  for (uint32_t length = 1; length <= kCodeBitsMax; ++length) {
    for (uint32_t place = 0; place < code.span; ++place) {
      const uint32_t symbol = code.symbol_at(place);
      if (code.length[symbol] != length) continue;
      visit(symbol, length, start);
      start += share(length);
    }
  }
}

/// Fills in one cell of the table when its four entries are as LaneTable says; entries of the
/// escape may be anything.
bool find_cell(LaneTable& table, uint32_t cell) {
  const uint8_t* symbol = table.symbol + 4 * cell;
  const uint8_t* length = table.length + 4 * cell;
  for (uint32_t k = 0; k < 4; ++k) {
    const uint32_t step = length[0] > 6 ? k >> (8 - length[0]) : 0;
    const auto expected = static_cast<uint8_t>(symbol[0] + (step << table.raw_bits));
    const bool escape = 4 * cell + k >= table.escape_start;
    if (length[k] != length[0] || (symbol[k] != expected && !escape)) return false;
  }
  table.cell_symbol[cell] = symbol[0];
  table.cell_length[cell] = length[0];
  return true;
}

/// A symbol number of five bits and a length of three go into one byte.
bool is_compact(const LaneTable& table) {
  for (uint32_t cell = 0; cell < 64; ++cell) {
    const auto distance = static_cast<uint8_t>(table.cell_symbol[cell] - table.symbol_base);
    if (table.cell_length[cell] == 0 || distance >> table.raw_bits >= 32) return false;
  }
  return true;
}

}  // namespace

Status check_lane_code(const LaneCode& code) {
  if (code.lone() && code.length[code.first_symbol] == 0) return Ok{};
  uint32_t sum = code.escape_length == 0 ? 0 : share(code.escape_length);
  each_code(code, [&](uint32_t, uint32_t length, uint32_t) { sum += share(length); });
  if (sum == kWhole) return Ok{};
  return Error(ErrorCode::kCorrupt, text("lane_huffman: code lengths fill ", sum, " of ", kWhole,
                                         " parts; expected all of them"));
}

void make_decode_table(const LaneCode& code, uint32_t groups, LaneTable& table) {
  table.raw_bits = code.raw_bits;
  table.groups = groups;
  table.symbol_base = static_cast<uint8_t>(code.first_symbol << code.raw_bits);
  table.escape_start = kWhole - (code.escape_length == 0 ? 0 : share(code.escape_length));
  std::memset(table.symbol, table.symbol_base, sizeof table.symbol);
  std::memset(table.length, static_cast<int>(code.escape_length), sizeof table.length);
  each_code(code, [&](uint32_t symbol, uint32_t length, uint32_t start) {
    std::memset(table.symbol + start, static_cast<int>(symbol << code.raw_bits), share(length));
    std::memset(table.length + start, static_cast<int>(length), share(length));
  });
  table.cells = true;
  for (uint32_t cell = 0; cell < 64 && table.cells; ++cell) table.cells = find_cell(table, cell);
  table.compact = table.cells && is_compact(table);
}

void make_encode_table(const LaneCode& code, uint32_t groups, LaneEncodeTable& table) {
  std::array<uint8_t, 256> bits;  // By symbol: the code at the top of a byte is its first peek.
  bits.fill(static_cast<uint8_t>(kWhole - share(code.escape_length)));
  std::array<uint8_t, 256> length;
  length.fill(static_cast<uint8_t>(code.escape_length));
  each_code(code, [&](uint32_t symbol, uint32_t code_length, uint32_t start) {
    bits[symbol] = static_cast<uint8_t>(start);
    length[symbol] = static_cast<uint8_t>(code_length);
  });
  for (uint32_t byte = 0; byte < 256; ++byte) {
    table.code[byte] = bits[byte >> code.raw_bits];
    table.length[byte] = length[byte >> code.raw_bits];
  }
  table.groups = groups;
}

}  // namespace qload
