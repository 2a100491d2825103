#include "tests/support/lane_reference.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace qload::test {
namespace {

constexpr size_t kLanes = 64;

using Bytes = std::vector<std::byte>;
using Bits = std::vector<bool>;

uint32_t symbol_count(const LaneRecipe& recipe) {
  return recipe.nibbles ? 16 : 256u >> recipe.raw_bits;
}

/// A symbol's code, highest bit first. Symbol -1 is the escape.
std::map<int, Bits> make_codes(const LaneRecipe& recipe) {
  std::map<int, Bits> codes;
  uint32_t start = 0;
  const auto bits_of = [](uint32_t value, uint32_t length) {
    Bits bits;
    for (uint32_t i = 0; i < length; ++i) bits.push_back((value >> (7 - i) & 1) != 0);
    return bits;
  };
  for (uint32_t length = 1; length <= 8; ++length) {
    for (size_t place = 0; place < recipe.lengths.size(); ++place) {
      if (recipe.lengths[place] != length) continue;
      const auto symbol = (recipe.first_symbol + place) % symbol_count(recipe);
      codes[static_cast<int>(symbol)] = bits_of(start, length);
      start += 256u >> length;
    }
  }
  if (recipe.escape_length > 0) codes[-1] = Bits(recipe.escape_length, true);
  return codes;
}

uint32_t kraft_sum(const LaneRecipe& recipe) {
  uint32_t sum = recipe.escape_length > 0 ? 256u >> recipe.escape_length : 0;
  for (uint8_t length : recipe.lengths) sum += length > 0 ? 256u >> length : 0;
  return sum;
}

bool is_lone(const LaneRecipe& recipe) {
  return recipe.lengths.size() == 1 && recipe.lengths[0] == 0 && recipe.escape_length == 0;
}

size_t count_rows(const LaneRecipe& recipe, size_t bytes) {
  const size_t step = recipe.nibbles ? std::max(recipe.groups, 2u) : recipe.groups;
  return bytes * (recipe.nibbles ? 2 : 1) / (kLanes * step) * step;
}

/// The byte (or nibble, as a number) of lane j in row q.
uint32_t value_at(const LaneRecipe& recipe, std::span<const std::byte> bytes, size_t q, size_t j) {
  if (!recipe.nibbles) return static_cast<uint32_t>(bytes[q * kLanes + j]);
  const auto byte = static_cast<uint32_t>(bytes[q / 2 * kLanes + j]);
  return q % 2 == 0 ? byte & 15 : byte >> 4;
}

/// Which bit of a row's raw bits is bit `bit` of lane j.
size_t raw_place(uint32_t raw_bits, uint32_t bit, size_t j) {
  if (raw_bits == 4) return j % 32 * 8 + j / 32 * 4 + bit;
  if (raw_bits == 1 || bit == 2) return (raw_bits == 3 ? 128 : 0) + j % 8 * 8 + j / 8;
  return j % 16 * 8 + j / 16 * 2 + bit;
}

void put32(Bytes& out, size_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(value >> shift));
}

size_t get32(std::span<const std::byte> bytes, size_t at) {
  size_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<size_t>(bytes[at + i]);
  return value;
}

/// One group's stream from the codes of its rows: each lane's bits, dealt out as they are needed.
Bytes write_group(const std::vector<std::array<const Bits*, kLanes>>& rows) {
  std::array<Bytes, kLanes> lanes;
  for (size_t j = 0; j < kLanes; ++j) {
    uint32_t byte = 0;
    size_t used = 0;
    for (const auto& row : rows) {
      for (const bool bit : *row[j]) {
        byte = byte << 1 | (bit ? 1u : 0u);
        if (++used % 8 == 0) lanes[j].push_back(static_cast<std::byte>(byte));
      }
    }
    lanes[j].push_back(static_cast<std::byte>(byte << (8 - used % 8)));
    lanes[j].push_back(std::byte{0});
  }
  Bytes out;
  for (size_t i = 0; i < 2; ++i) {
    for (const Bytes& lane : lanes) out.push_back(lane[i]);
  }
  std::array<size_t, kLanes> used = {};
  for (const auto& row : rows) {
    for (size_t j = 0; j < kLanes; ++j) {
      const size_t before = used[j] / 8;
      used[j] += row[j]->size();
      if (used[j] / 8 > before) out.push_back(lanes[j][used[j] / 8 + 1]);
    }
  }
  return out;
}

/// Reads forward; what is not there is an error that stays.
struct Reader {
  std::span<const std::byte> bytes;
  bool failed = false;

  std::span<const std::byte> take(size_t count) {
    if (count > bytes.size()) failed = true;
    if (failed) return {};
    const auto taken = bytes.first(count);
    bytes = bytes.subspan(count);
    return taken;
  }
};

/// The lanes of a group while they are decoded.
struct GroupReader {
  std::array<Bits, kLanes> bits;
  std::array<size_t, kLanes> used = {};
  Reader shared;

  void append(size_t j, std::byte byte) {
    for (int i = 7; i >= 0; --i) bits[j].push_back((static_cast<uint32_t>(byte) >> i & 1) != 0);
  }

  bool start(std::span<const std::byte> stream) {
    if (stream.size() < 2 * kLanes) return false;
    for (size_t i = 0; i < 2 * kLanes; ++i) append(i % kLanes, stream[i]);
    shared.bytes = stream.subspan(2 * kLanes);
    return true;
  }

  /// Decodes a row to symbols, -1 for an escape.
  bool read_row(const std::map<Bits, int>& symbols, std::array<int, kLanes>& row) {
    std::array<bool, kLanes> due = {};
    for (size_t j = 0; j < kLanes; ++j) {
      Bits code;
      auto found = symbols.end();
      while (found == symbols.end()) {
        code.push_back(bits[j][used[j] + code.size()]);
        found = symbols.find(code);
      }
      row[j] = found->second;
      due[j] = (used[j] + code.size()) / 8 > used[j] / 8;
      used[j] += code.size();
    }
    for (size_t j = 0; j < kLanes; ++j) {
      if (!due[j]) continue;
      const auto next = shared.take(1);
      if (shared.failed) return false;
      append(j, next[0]);
    }
    return true;
  }

  bool at_end() const {
    for (size_t j = 0; j < kLanes; ++j) {
      for (size_t i = used[j]; i < bits[j].size(); ++i) {
        if (bits[j][i]) return false;
      }
    }
    return shared.bytes.empty();
  }
};

std::optional<Bytes> decode_stream(std::span<const std::byte> stored, size_t decoded_bytes,
                                   bool nested);

std::optional<Bytes> read_escapes(std::span<const std::byte> stored, size_t count, bool nested) {
  if (stored.size() == count) return Bytes(stored.begin(), stored.end());
  if (nested) return std::nullopt;
  return decode_stream(stored, count, true);
}

/// The header's fields and lengths, or nothing when they contradict the format.
std::optional<LaneRecipe> read_recipe(std::span<const std::byte> header, bool nibbles) {
  const auto field = [&](size_t at) { return static_cast<uint32_t>(header[at]); };
  LaneRecipe recipe;
  recipe.nibbles = nibbles;
  recipe.groups = field(0);
  recipe.raw_bits = field(1);
  recipe.first_symbol = field(2);
  recipe.lengths.resize(field(3) + 1);
  recipe.escape_length = field(4);
  const bool in_range = (recipe.groups == 1 || recipe.groups == 4) &&
                        recipe.raw_bits <= (nibbles ? 0 : 4) &&
                        recipe.escape_length <= (nibbles ? 0 : 8);
  if (!in_range) return std::nullopt;
  const uint32_t symbols = symbol_count(recipe);
  if (recipe.first_symbol >= symbols || recipe.lengths.size() > symbols) return std::nullopt;
  return recipe;
}

bool read_lengths(std::span<const std::byte> packed, LaneRecipe& recipe) {
  for (size_t place = 0; place < 2 * packed.size(); ++place) {
    const auto pair = static_cast<uint32_t>(packed[place / 2]);
    const uint32_t length = place % 2 == 0 ? pair & 15 : pair >> 4;
    if (length > (place < recipe.lengths.size() ? 8 : 0)) return false;
    if (place < recipe.lengths.size()) recipe.lengths[place] = static_cast<uint8_t>(length);
  }
  return is_lone(recipe) || kraft_sum(recipe) == 256;
}

/// Decodes the rows to `out`, all of it.
bool read_rows(const LaneRecipe& recipe, size_t rows, std::vector<GroupReader>& groups,
               const Bytes& escapes, std::span<const std::byte> raw, Bytes& out) {
  std::map<Bits, int> symbols;
  for (const auto& [symbol, code] : make_codes(recipe)) symbols[code] = symbol;
  size_t escaped = 0;
  std::array<int, kLanes> row;
  row.fill(static_cast<int>(recipe.first_symbol));
  for (size_t q = 0; q < rows; ++q) {
    if (!is_lone(recipe) && !groups[q % recipe.groups].read_row(symbols, row)) return false;
    for (size_t j = 0; j < kLanes; ++j) {
      uint32_t value = static_cast<uint32_t>(row[j]) << recipe.raw_bits;
      for (uint32_t bit = 0; bit < recipe.raw_bits; ++bit) {
        const size_t place = raw_place(recipe.raw_bits, bit, j);
        const auto byte = raw[q * 8 * recipe.raw_bits + place / 8];
        value |= (static_cast<uint32_t>(byte) >> (place % 8) & 1) << bit;
      }
      if (row[j] < 0) {
        if (escaped == escapes.size()) return false;
        value = static_cast<uint32_t>(escapes[escaped++]);
      }
      if (!recipe.nibbles) {
        out.push_back(static_cast<std::byte>(value));
      } else if (q % 2 == 0) {
        out.push_back(static_cast<std::byte>(value));
      } else {
        out[out.size() - kLanes + j] |= static_cast<std::byte>(value << 4);
      }
    }
  }
  return escaped == escapes.size();
}

std::optional<Bytes> decode_segment(Reader& reader, size_t bytes, bool nibbles, bool nested) {
  const auto header = reader.take(16);
  if (reader.failed) return std::nullopt;
  if (header[0] == std::byte{0}) {
    const auto plain = reader.take(bytes);
    const bool zero = std::ranges::count(header, std::byte{0}) == 16;
    if (reader.failed || !zero) return std::nullopt;
    return Bytes(plain.begin(), plain.end());
  }
  auto recipe = read_recipe(header, nibbles);
  const bool reserved = (header[5] | header[6] | header[7]) != std::byte{0};
  if (!recipe || reserved) return std::nullopt;
  const size_t rows = count_rows(*recipe, bytes);
  const auto sizes = reader.take(4 * recipe->groups);
  const auto packed = reader.take((recipe->lengths.size() + 1) / 2);
  if (rows == 0 || reader.failed || !read_lengths(packed, *recipe)) return std::nullopt;
  std::vector<GroupReader> groups(recipe->groups);
  for (uint32_t g = 0; g < recipe->groups; ++g) {
    const auto stream = reader.take(get32(sizes, 4 * g));
    if (reader.failed) return std::nullopt;
    if (is_lone(*recipe) ? !stream.empty() : !groups[g].start(stream)) return std::nullopt;
  }
  const size_t escape_count = get32(header, 8);
  const size_t escape_bytes = get32(header, 12);
  if (escape_count > (recipe->escape_length > 0 ? rows * kLanes : 0)) return std::nullopt;
  if (escape_bytes > escape_count) return std::nullopt;
  const auto stored_escapes = reader.take(escape_bytes);
  const auto raw = reader.take(rows * 8 * recipe->raw_bits);
  const auto plain = reader.take(bytes - rows * kLanes / (nibbles ? 2 : 1));
  if (reader.failed) return std::nullopt;
  const auto escapes = read_escapes(stored_escapes, escape_count, nested);
  Bytes out;
  if (!escapes || !read_rows(*recipe, rows, groups, *escapes, raw, out)) return std::nullopt;
  for (const GroupReader& group : groups) {
    if (!group.at_end()) return std::nullopt;
  }
  out.insert(out.end(), plain.begin(), plain.end());
  return out;
}

std::optional<Bytes> decode_stream(std::span<const std::byte> stored, size_t decoded_bytes,
                                   bool nested) {
  Reader reader{stored};
  const auto header = reader.take(4);
  if (reader.failed) return std::nullopt;
  const auto log = static_cast<uint32_t>(header[1]);
  const bool reserved = (header[2] | header[3]) != std::byte{0};
  if (header[0] > std::byte{1} || reserved) return std::nullopt;
  if (log != 0 && (log < 16 || log > 24)) return std::nullopt;
  Bytes out;
  while (out.size() < decoded_bytes) {
    const size_t left = decoded_bytes - out.size();
    const auto segment = decode_segment(reader, log == 0 ? left : std::min(left, size_t{1} << log),
                                        header[0] == std::byte{1}, nested);
    if (!segment) return std::nullopt;
    out.insert(out.end(), segment->begin(), segment->end());
  }
  if (!reader.bytes.empty()) return std::nullopt;
  return out;
}

}  // namespace

std::vector<std::byte> reference_segment(const LaneRecipe& recipe,
                                         std::span<const std::byte> bytes) {
  const size_t rows = count_rows(recipe, bytes.size());
  const auto codes = make_codes(recipe);
  std::array<const Bits*, 256> code_of;
  const Bits none;
  for (int symbol = 0; symbol < 256; ++symbol) {
    const auto found = codes.contains(symbol) ? codes.find(symbol) : codes.find(-1);
    code_of[static_cast<size_t>(symbol)] = found == codes.end() ? &none : &found->second;
  }
  std::vector<std::vector<std::array<const Bits*, kLanes>>> group_rows(recipe.groups);
  Bytes escapes;
  Bytes raw(rows * 8 * recipe.raw_bits);
  for (size_t q = 0; q < rows; ++q) {
    std::array<const Bits*, kLanes> row;
    for (size_t j = 0; j < kLanes; ++j) {
      const uint32_t value = value_at(recipe, bytes, q, j);
      const uint32_t symbol = value >> recipe.raw_bits;
      row[j] = code_of[symbol];
      if (!codes.contains(static_cast<int>(symbol)) && recipe.escape_length > 0) {
        escapes.push_back(static_cast<std::byte>(value));
      }
      for (uint32_t bit = 0; bit < recipe.raw_bits; ++bit) {
        const size_t place = raw_place(recipe.raw_bits, bit, j);
        raw[q * 8 * recipe.raw_bits + place / 8] |=
            static_cast<std::byte>((value >> bit & 1) << place % 8);
      }
    }
    group_rows[q % recipe.groups].push_back(row);
  }
  const Bytes stored_escapes =
      recipe.nested == nullptr ? escapes : reference_stream(*recipe.nested, escapes);
  Bytes out;
  for (size_t field :
       {size_t{recipe.groups}, size_t{recipe.raw_bits}, size_t{recipe.first_symbol},
        recipe.lengths.size() - 1, size_t{recipe.escape_length}, size_t{0}, size_t{0}, size_t{0}}) {
    out.push_back(static_cast<std::byte>(field));
  }
  put32(out, escapes.size());
  put32(out, stored_escapes.size());
  std::vector<Bytes> streams;
  for (const auto& group : group_rows) {
    streams.push_back(is_lone(recipe) ? Bytes() : write_group(group));
    put32(out, streams.back().size());
  }
  for (size_t place = 0; place < recipe.lengths.size(); ++place) {
    const auto half = static_cast<std::byte>(recipe.lengths[place]);
    place % 2 == 0 ? out.push_back(half) : void(out.back() |= half << 4);
  }
  for (const Bytes& stream : streams) out.insert(out.end(), stream.begin(), stream.end());
  out.insert(out.end(), stored_escapes.begin(), stored_escapes.end());
  out.insert(out.end(), raw.begin(), raw.end());
  const auto plain = bytes.subspan(rows * kLanes / (recipe.nibbles ? 2 : 1));
  out.insert(out.end(), plain.begin(), plain.end());
  return out;
}

std::vector<std::byte> reference_plain_segment(std::span<const std::byte> bytes) {
  Bytes out(16);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

std::vector<std::byte> reference_stream(const LaneRecipe& recipe,
                                        std::span<const std::byte> bytes) {
  return join_segments(recipe.nibbles, 0, {reference_segment(recipe, bytes)});
}

std::vector<std::byte> join_segments(bool nibbles, uint32_t segment_log,
                                     const std::vector<std::vector<std::byte>>& segments) {
  Bytes out(4);
  out[0] = static_cast<std::byte>(nibbles);
  out[1] = static_cast<std::byte>(segment_log);
  for (const Bytes& segment : segments) out.insert(out.end(), segment.begin(), segment.end());
  return out;
}

std::optional<std::vector<std::byte>> reference_decode(std::span<const std::byte> stored,
                                                       size_t decoded_bytes) {
  return decode_stream(stored, decoded_bytes, false);
}

}  // namespace qload::test
