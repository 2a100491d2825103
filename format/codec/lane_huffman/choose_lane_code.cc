// How a code is found. An unrestricted code would be plain length-limited Huffman; what makes the
// search is that codes should decode by cells (lane_kernel.h): a symbol with more than 6 bits must
// share its cell of four table entries with its neighbours, as a run of 2 adjacent symbols (7 bits
// each) or 4 (8 bits each), and the escape code ends a run of 3.
//
// So the symbols, in a line, are partitioned into runs of 1, 2 or 4, and symbols left out, which
// are escaped. A run of weight W and 2^e symbols whose prefix has l bits costs W (l + e) bits and
// takes 2^-l of the code space. With a price on the space the choice of l is local, and a dynamic
// program finds the best partition from left to right. At the price T / ln 2 (T the sum of all
// weights) the unrestricted optimum is l = log2(T / W), Shannon's; so that is the price.
// Package-merge over the runs then gives the exact lengths of their prefixes.
#include "format/codec/lane_huffman/choose_lane_code.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "format/codec/lane_huffman/length_limited.h"

namespace qload {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max() / 4;
constexpr uint32_t kPrefixBitsMax = 6;
// While symbols are chosen: an escaped byte, as the list of them is coded once more, and an escape
// code of 8 bits. What a list really takes is known afterwards (listed_bits).
constexpr uint32_t kListedBits = 5;
constexpr uint32_t kEscapedBits = kListedBits + kCodeBitsMax;
// Windows, padding, headers and table of the stream that the list becomes.
constexpr uint64_t kNestedBits = 170 * 8;
// One more raw bit, cells that are not compact, or a code without cells must save one part in so
// many.
constexpr uint64_t kRawBitGain = 4000;
constexpr uint64_t kCompactGain = 1000;
constexpr uint64_t kFreeGain = 333;

/// A line of symbols with their counts: symbols of one number of raw bits, starting where the
/// circle of symbols is emptiest. The symbols of small signed numbers, 250 to 5, are one run then.
struct SymbolLine {
  uint32_t raw_bits = 0;
  uint32_t symbol_count = 0;
  uint32_t first_symbol = 0;
  uint64_t total = 0;
  uint64_t space_price = 0;  ///< Of the whole code space, in bits: total / ln 2.
  std::array<uint64_t, 256> count = {};
};

SymbolLine make_line(const ByteCounts& counts, uint32_t raw_bits, uint32_t symbol_count) {
  SymbolLine line;
  line.raw_bits = raw_bits;
  line.symbol_count = symbol_count;
  std::array<uint64_t, 256> folded = {};
  for (uint32_t byte = 0; byte < symbol_count << raw_bits; ++byte) {
    folded[byte >> raw_bits] += counts[byte];
    line.total += counts[byte];
  }
  // The eighth of the circle with the least weight; the line starts behind its middle.
  const uint32_t width = std::max(symbol_count / 8, 1u);
  uint64_t weight = 0;
  for (uint32_t i = 0; i < width; ++i) weight += folded[i];
  uint64_t least = weight;
  uint32_t emptiest = 0;
  for (uint32_t start = 1; start < symbol_count; ++start) {
    weight += folded[(start + width - 1) % symbol_count] - folded[start - 1];
    if (weight < least) {
      least = weight;
      emptiest = start;
    }
  }
  line.first_symbol = (emptiest + width / 2) % symbol_count;
  for (uint32_t i = 0; i < symbol_count; ++i) {
    line.count[i] = folded[(line.first_symbol + i) % symbol_count];
  }
  line.space_price = line.total * 94548 / 65536;  // 1 / ln 2 = 1.442695
  return line;
}

/// The least of weight * l + price * 2^-l over l in [1, length_max].
uint64_t priced(const SymbolLine& line, uint64_t weight, uint32_t length_max) {
  uint64_t best = kNever;
  for (uint32_t length = length_max; length >= 1; --length) {
    const uint64_t cost = weight * length + (line.space_price >> length);
    if (cost >= best) break;  // Convex in the length.
    best = cost;
  }
  return best;
}

/// A piece of a partition: `symbols` of the line from `first` on. A run of 3 holds the escape too;
/// a piece of 0 skips the symbol at `first`.
struct Piece {
  uint32_t first;
  uint32_t symbols;
};

/// Bits behind the prefix that tell a run's symbols apart.
constexpr uint32_t run_bits(uint32_t symbols) { return symbols == 1 ? 0 : symbols == 2 ? 1 : 2; }

/// Partitions in three states, because the escape's run must be the last of its length:
/// kComplete has no escape, and no symbol left out that occurs; kBefore and kAfter its place.
enum State : uint32_t { kComplete, kBefore, kAfter, kStateCount };

struct Step {
  uint64_t cost = kNever;
  uint32_t symbols = 0;
  State from = kComplete;
};

class CellPartition {
 public:
  CellPartition(const SymbolLine& line, bool escapes) : line_(line) {
    steps_[0][kComplete].cost = 0;
    if (escapes) steps_[0][kBefore].cost = 0;
    run();
  }

  /// The pieces with symbols, from left to right.
  std::vector<Piece> pieces() const {
    std::vector<Piece> pieces;
    State state = best_end();
    for (uint32_t end = line_.symbol_count; end > 0;) {
      const Step& step = steps_[end][state];
      end -= std::max(step.symbols, 1u);
      if (step.symbols > 0) pieces.push_back({end, step.symbols});
      state = step.from;
    }
    std::ranges::reverse(pieces);
    return pieces;
  }

 private:
  State best_end() const {
    const auto& last = steps_[line_.symbol_count];
    return last[kAfter].cost < last[kComplete].cost ? kAfter : kComplete;
  }

  void offer(uint32_t end, State to, uint64_t cost, uint32_t symbols, State from) {
    Step& step = steps_[end][to];
    if (cost < step.cost) step = {cost, symbols, from};
  }

  /// A run of more than one symbol has a prefix of 6 bits: with a shorter one its symbols would do
  /// better apart.
  void extend(uint32_t at, State state, uint32_t symbols, State to) {
    if (at + symbols > line_.symbol_count) return;
    uint64_t weight = 0;
    for (uint32_t i = 0; i < symbols; ++i) weight += line_.count[at + i];
    const uint64_t cost = symbols == 1 ? priced(line_, weight, kPrefixBitsMax)
                                       : weight * (kPrefixBitsMax + run_bits(symbols)) +
                                             (line_.space_price >> kPrefixBitsMax);
    offer(at + symbols, to, steps_[at][state].cost + cost, symbols, state);
  }

  void run() {
    for (uint32_t at = 0; at < line_.symbol_count; ++at) {
      const uint64_t count = line_.count[at];
      for (State state : {kComplete, kBefore, kAfter}) {
        if (steps_[at][state].cost >= kNever) continue;
        if (state != kComplete || count == 0) {
          offer(at + 1, state, steps_[at][state].cost + count * kEscapedBits, 0, state);
        }
        extend(at, state, 1, state);
        extend(at, state, 2, state);
        if (state != kAfter) extend(at, state, 4, state);
        if (state == kBefore) extend(at, state, 3, kAfter);
      }
    }
  }

  const SymbolLine& line_;
  std::array<std::array<Step, kStateCount>, 257> steps_;
};

/// Cuts the span to the symbols that have codes.
void set_span(const SymbolLine& line, LaneCode& code) {
  uint32_t first = line.symbol_count;
  uint32_t last = 0;
  for (uint32_t i = 0; i < line.symbol_count; ++i) {
    if (code.length[(line.first_symbol + i) % line.symbol_count] == 0) continue;
    first = std::min(first, i);
    last = i;
  }
  code.first_symbol = (line.first_symbol + first) % line.symbol_count;
  code.span = last - first + 1;
}

LaneCode empty_code(const SymbolLine& line) {
  LaneCode code;
  code.raw_bits = line.raw_bits;
  code.symbol_count = line.symbol_count;
  return code;
}

/// What bytes of the escaped symbols take in their list: as they are, or coded once more.
uint64_t listed_bits(const SymbolLine& line, const ByteCounts& escaped) {
  uint64_t count = 0;
  for (uint32_t of_symbol : escaped) count += of_symbol;
  return std::min(count * 8, order_0_bits(escaped) + count * line.raw_bits + kNestedBits);
}

/// What all symbols take under `code`.
uint64_t code_bits(const SymbolLine& line, const LaneCode& code) {
  uint64_t bits = line.total * line.raw_bits;
  ByteCounts escaped = {};
  for (uint32_t i = 0; i < line.symbol_count; ++i) {
    uint32_t length = code.length[(line.first_symbol + i) % line.symbol_count];
    if (length == 0 && !code.lone()) {
      length = code.escape_length;
      escaped[i] = static_cast<uint32_t>(line.count[i]);
    }
    bits += line.count[i] * length;
  }
  return bits + listed_bits(line, escaped);
}

LaneCode lone_code(const SymbolLine& line) {
  LaneCode code = empty_code(line);
  const auto at = std::ranges::max_element(line.count) - line.count.begin();
  code.first_symbol = (line.first_symbol + static_cast<uint32_t>(at)) % line.symbol_count;
  return code;
}

bool is_lone(const SymbolLine& line) {
  return std::ranges::count_if(line.count, [](uint64_t count) { return count > 0; }) == 1;
}

/// The exact code of a partition. The escape's run is given no more weight than keeps its prefix
/// among the longest.
std::optional<LaneCode> make_cell_code(const SymbolLine& line, const CellPartition& partition) {
  const std::vector<Piece> pieces = partition.pieces();
  std::vector<uint64_t> weights;
  for (const Piece& piece : pieces) {
    uint64_t weight = 0;
    for (uint32_t i = 0; i < piece.symbols; ++i) weight += line.count[piece.first + i];
    weights.push_back(piece.symbols == 3 ? 0 : weight);
  }
  // The price of space only suggests how many runs there is room for.
  if (pieces.size() < 2 || pieces.size() > 1u << kPrefixBitsMax) return std::nullopt;
  std::vector<uint8_t> prefix(pieces.size());
  LaneCode code = empty_code(line);
  make_length_limited_code(weights, kPrefixBitsMax, prefix);
  for (size_t p = 0; p < pieces.size(); ++p) {
    const auto length = static_cast<uint8_t>(prefix[p] + run_bits(pieces[p].symbols));
    for (uint32_t i = 0; i < pieces[p].symbols; ++i) {
      code.length[(line.first_symbol + pieces[p].first + i) % line.symbol_count] = length;
    }
    if (pieces[p].symbols == 3) code.escape_length = length;
  }
  set_span(line, code);
  return code;
}

/// Which symbols an unrestricted code keeps: those that cost less with a code than escaped.
uint64_t free_cost(const SymbolLine& line, uint32_t escape_length, std::vector<uint32_t>& kept) {
  kept.clear();
  uint64_t cost = 0;
  uint64_t escaped = 0;
  for (uint32_t i = 0; i < line.symbol_count; ++i) {
    if (line.count[i] == 0) continue;
    const uint64_t coded = priced(line, line.count[i], kCodeBitsMax);
    const uint64_t left_out = line.count[i] * (kListedBits + escape_length);
    if (coded <= left_out || escape_length == 0) {
      kept.push_back(i);
      cost += coded;
    } else {
      escaped += line.count[i];
      cost += kListedBits * line.count[i];
    }
  }
  return escaped > 0 ? cost + priced(line, escaped, kCodeBitsMax) : cost;
}

std::optional<LaneCode> make_free_code(const SymbolLine& line, const std::vector<uint32_t>& kept) {
  std::vector<uint64_t> weights;
  uint64_t escaped = line.total;
  for (uint32_t i : kept) {
    weights.push_back(line.count[i]);
    escaped -= line.count[i];
  }
  if (escaped > 0) weights.push_back(escaped);
  if (weights.size() < 2 || weights.size() > 1u << kCodeBitsMax) return std::nullopt;
  LaneCode code = empty_code(line);
  std::vector<uint8_t> lengths(weights.size());
  make_length_limited_code(weights, kCodeBitsMax, lengths);
  for (size_t k = 0; k < kept.size(); ++k) {
    code.length[(line.first_symbol + kept[k]) % line.symbol_count] = lengths[k];
  }
  if (escaped > 0) code.escape_length = lengths.back();
  set_span(line, code);
  return code;
}

bool saves(uint64_t bits, uint64_t than, uint64_t part) { return bits + than / part < than; }

/// The best codes so far: of those that decode by cells, and of all others.
struct Candidates {
  ChosenLaneCode by_cells = {{}, kNever};
  ChosenLaneCode free = {{}, kNever};
  uint64_t by_cells_price = kNever;

  /// Cells are cheaper to decode when they are compact, and with fewer raw bits.
  void add_cells(const ChosenLaneCode& chosen) {
    LaneTable table;
    make_decode_table(chosen.code, 1, table);
    if (!table.cells) return add_free(chosen);  // Zero weights can part an escape from its run.
    uint64_t price = chosen.bits + chosen.bits / kRawBitGain * chosen.code.raw_bits;
    if (!table.compact) price += chosen.bits / kCompactGain;
    if (price >= by_cells_price) return;
    by_cells = chosen;
    by_cells_price = price;
  }
  void add_free(const ChosenLaneCode& chosen) {
    if (free.bits == kNever || saves(chosen.bits, free.bits, kRawBitGain)) free = chosen;
  }
  const ChosenLaneCode& best() const {
    if (by_cells.bits == kNever) return free;
    return free.bits != kNever && saves(free.bits, by_cells.bits, kFreeGain) ? free : by_cells;
  }
};

void find_codes(const SymbolLine& line, bool escapes, Candidates& candidates) {
  if (is_lone(line)) {
    const LaneCode code = lone_code(line);
    return candidates.add_cells({code, code_bits(line, code)});
  }
  if (const auto code = make_cell_code(line, CellPartition(line, escapes))) {
    candidates.add_cells({*code, code_bits(line, *code)});
  }
  std::vector<uint32_t> kept;
  const uint64_t cost = free_cost(line, escapes ? kCodeBitsMax : 0, kept);
  const uint64_t estimate = cost - std::min(line.space_price, cost) + line.total * line.raw_bits;
  const uint64_t to_beat = candidates.by_cells.bits;
  if (to_beat != kNever && !saves(estimate, to_beat, kFreeGain)) return;
  if (const auto code = make_free_code(line, kept)) {
    candidates.add_free({*code, code_bits(line, *code)});
  }
}

}  // namespace

ChosenLaneCode choose_lane_code(const ByteCounts& counts) {
  Candidates candidates;
  for (uint32_t raw_bits = 0; raw_bits <= kRawBitsMax; ++raw_bits) {
    find_codes(make_line(counts, raw_bits, 256u >> raw_bits), true, candidates);
  }
  return candidates.best();
}

ByteCounts nibble_counts(const ByteCounts& counts) {
  ByteCounts nibbles = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    nibbles[byte & 15] += counts[byte];
    nibbles[byte >> 4] += counts[byte];
  }
  return nibbles;
}

ChosenLaneCode choose_nibble_code(const ByteCounts& counts) {
  Candidates candidates;
  find_codes(make_line(counts, 0, 16), false, candidates);
  return candidates.best();
}

}  // namespace qload
