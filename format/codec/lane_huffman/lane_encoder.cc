#include "format/codec/lane_huffman/lane_encoder.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "format/base/assert.h"
#include "format/base/bytes.h"

namespace qload {
namespace {

// Below this the windows and padding of three more groups (some 400 bytes) weigh more than their
// speed.
constexpr size_t kFourGroupsBytesMin = 128u << 10;
// A segment costs some 600 bytes of windows, padding and table; and one that saves less than a
// third of a per cent is not worth it.
constexpr uint64_t kSegmentBits = 600 * 8;
constexpr uint64_t kSegmentGain = 300;
// A nibble row costs a whole row's decoding for half the bytes.
constexpr uint64_t kNibbleGain = 100;
// Smaller ones would do with one group, at half the speed.
constexpr uint32_t kSegmentLog = 18;
constexpr size_t kSegmentBytes = size_t{1} << kSegmentLog;

std::span<const uint8_t> as_u8(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

void split_nibbles(std::span<const uint8_t> bytes, uint8_t* rows) {
  for (size_t i = 0; i + kLaneCount <= bytes.size(); i += kLaneCount, rows += 2 * kLaneCount) {
    for (size_t j = 0; j < kLaneCount; ++j) {
      rows[j] = bytes[i + j] & 15;
      rows[kLaneCount + j] = bytes[i + j] >> 4;
    }
  }
}

/// The low raw bits of one row of 64 bytes, 8 * raw_bits bytes of them. Words of 8 lanes are
/// shifted together: lane 16 q + i has bits 2 q and 2 q + 1 of byte i, and so on.
uint8_t* pack_raw_bits(uint32_t raw_bits, const uint8_t* row, uint8_t* out) {
  const auto word = [&](size_t at) {
    uint64_t bytes;
    std::memcpy(&bytes, row + at, sizeof bytes);
    return bytes;
  };
  const auto put = [&](uint64_t bytes) {
    std::memcpy(out, &bytes, sizeof bytes);
    out += sizeof bytes;
  };
  if (raw_bits == 4) {
    for (size_t half = 0; half < 32; half += 8) {
      put((word(half) & 0x0F0F0F0F0F0F0F0F) | (word(32 + half) & 0x0F0F0F0F0F0F0F0F) << 4);
    }
    return out;
  }
  if (raw_bits >= 2) {
    for (size_t half = 0; half < 16; half += 8) {
      uint64_t packed = 0;
      for (size_t q = 0; q < 4; ++q) {
        packed |= (word(16 * q + half) & 0x0303030303030303) << (2 * q);
      }
      put(packed);
    }
  }
  if (raw_bits & 1) {
    uint64_t packed = 0;
    for (size_t q = 0; q < 8; ++q) {
      packed |= (word(8 * q) >> (raw_bits - 1) & 0x0101010101010101) << q;
    }
    put(packed);
  }
  return out;
}

/// Writes the bytes of `rows` without a code to `out`, which has room for all and one, and returns
/// how many they are. Bytes with a code are mostly one range (of the circle of bytes), and most
/// rows lie within it.
size_t find_escapes(std::span<const uint8_t> rows, const LaneCode& code, uint8_t* out) {
  std::array<uint8_t, 256> escaped = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    escaped[byte] = code.length[byte >> code.raw_bits] == 0;
  }
  bool one_range = true;
  for (uint32_t place = 0; place < code.span; ++place) {
    one_range &= code.length[code.symbol_at(place)] != 0;
  }
  const auto base = static_cast<uint8_t>(code.first_symbol << code.raw_bits);
  const auto last = static_cast<uint8_t>((code.span << code.raw_bits) - 1);
  size_t count = 0;
  for (size_t at = 0; at < rows.size(); at += kLaneCount) {
    const uint8_t* row = rows.data() + at;
    uint8_t outside = one_range ? 0 : 1;
    for (size_t j = 0; j < kLaneCount; ++j) {
      outside |= static_cast<uint8_t>(row[j] - base) > last ? 1 : 0;
    }
    for (size_t j = 0; outside != 0 && j < kLaneCount; ++j) {
      out[count] = row[j];  // Overwritten by the next one unless it is escaped.
      count += escaped[row[j]];
    }
  }
  return count;
}

/// A histogram of each segment, the last perhaps shorter.
std::vector<ByteCounts> count_segments(std::span<const std::byte> bytes) {
  std::vector<ByteCounts> counts;
  for (size_t at = 0; at < bytes.size(); at += kSegmentBytes) {
    counts.push_back(count_bytes(bytes.subspan(at, std::min(kSegmentBytes, bytes.size() - at))));
  }
  return counts;
}

ByteCounts sum_of(std::span<const ByteCounts> counts) {
  ByteCounts sum = {};
  for (const ByteCounts& part : counts) {
    for (size_t byte = 0; byte < 256; ++byte) sum[byte] += part[byte];
  }
  return sum;
}

/// True when a code for each segment is smaller than one for all.
bool segments_gain(std::span<const ByteCounts> counts, const ByteCounts& sum) {
  if (counts.size() < 2) return false;
  uint64_t bits = 0;
  for (const ByteCounts& part : counts) bits += order_0_bits(part) + kSegmentBits;
  const uint64_t together = order_0_bits(sum) + kSegmentBits;
  return bits + together / kSegmentGain < together;
}

}  // namespace

/// Bytes so far, or the knowledge that they did not fit.
class LaneEncoder::Output {
 public:
  explicit Output(std::span<std::byte> to)
      : begin_(reinterpret_cast<uint8_t*>(to.data())), capacity_(to.size()) {}

  /// The next `bytes` bytes to fill, or null when they do not fit.
  uint8_t* reserve(size_t bytes) {
    if (overflow_ || bytes > capacity_ - size_) {
      overflow_ = true;
      return nullptr;
    }
    uint8_t* at = begin_ + size_;
    size_ += bytes;
    return at;
  }
  void append(const void* from, size_t bytes) {
    uint8_t* to = reserve(bytes);
    if (to != nullptr && bytes > 0) std::memcpy(to, from, bytes);
  }
  /// Writes over bytes that were reserved before.
  void patch(size_t at, const void* from, size_t bytes) {
    if (!overflow_) std::memcpy(begin_ + at, from, bytes);
  }
  bool overflow() const { return overflow_; }
  size_t size() const { return size_; }

 private:
  uint8_t* begin_;
  size_t capacity_;
  size_t size_ = 0;
  bool overflow_ = false;
};

std::optional<size_t> LaneEncoder::encode(std::span<const std::byte> decoded,
                                          std::span<std::byte> stored) {
  Output out(stored);
  const std::vector<ByteCounts> counts = count_segments(decoded);
  const ByteCounts sum = sum_of(counts);
  ChosenLaneCode chosen;
  if (!decoded.empty()) chosen = choose_lane_code(sum);
  // Two nibbles a byte: their code can at best be as good as the bytes', but has 16 symbols.
  const ByteCounts halves = nibble_counts(sum);
  const auto gains = [&](uint64_t bits) { return bits + chosen.bits / kNibbleGain < chosen.bits; };
  bool nibbles = gains(order_0_bits(halves));
  if (nibbles) {
    const ChosenLaneCode by_nibbles = choose_nibble_code(halves);
    nibbles = gains(by_nibbles.bits);
    if (nibbles) chosen = by_nibbles;
  }
  const bool segmented = !nibbles && segments_gain(counts, sum);
  const LaneStreamHeader header = {nibbles ? kNibbles : uint8_t{0},
                                   static_cast<uint8_t>(segmented ? kSegmentLog : 0), 0};
  out.append(&header, sizeof header);
  const size_t segment_bytes = segmented ? kSegmentBytes : decoded.size();
  for (size_t at = 0; at < decoded.size() && !out.overflow(); at += segment_bytes) {
    const size_t bytes = std::min(segment_bytes, decoded.size() - at);
    if (segmented) chosen = choose_lane_code(counts[at / kSegmentBytes]);
    write_segment(as_u8(decoded.subspan(at, bytes)), chosen, nibbles, out);
  }
  if (out.overflow()) return std::nullopt;
  return out.size();
}

void LaneEncoder::write_plain(std::span<const uint8_t> segment, Output& out) {
  const LaneSegmentHeader header = {};
  out.append(&header, sizeof header);
  out.append(segment.data(), segment.size());
}

void LaneEncoder::write_segment(std::span<const uint8_t> segment, const ChosenLaneCode& chosen,
                                bool nibbles, Output& out) {
  const LaneCode& code = chosen.code;
  const uint32_t groups = segment.size() >= kFourGroupsBytesMin ? kLaneGroupsMax : 1;
  const size_t rows = lane_rows(segment.size() * (nibbles ? 2 : 1), groups, nibbles);
  // What coding takes besides the code itself: headers, windows, and padding in each lane.
  const uint64_t overhead =
      sizeof(LaneSegmentHeader) + 4 * groups + (code.span + 1) / 2 + groups * (kWindowBytes - 16);
  if (rows == 0 || chosen.bits / 8 + overhead >= segment.size()) return write_plain(segment, out);

  const size_t row_bytes = nibbles ? kLaneCount / 2 : kLaneCount;
  std::span<const uint8_t> coded = segment.first(rows * row_bytes);
  const auto plain = segment.subspan(coded.size());
  if (nibbles) {
    nibbles_.resize(rows * kLaneCount);
    split_nibbles(coded, nibbles_.data());
    coded = nibbles_;
  }
  make_encode_table(code, groups, table_);
  LaneSegmentHeader header = {};
  header.groups = static_cast<uint8_t>(groups);
  header.raw_bits = static_cast<uint8_t>(code.raw_bits);
  header.first_symbol = static_cast<uint8_t>(code.first_symbol);
  header.span_less_one = static_cast<uint8_t>(code.span - 1);
  header.escape_length = static_cast<uint8_t>(code.escape_length);
  const size_t header_at = out.size();
  out.append(&header, sizeof header);
  const size_t sizes_at = out.size();
  const std::array<uint32_t, kLaneGroupsMax> no_sizes = {};
  out.append(no_sizes.data(), groups * sizeof(uint32_t));
  write_lengths(code, out);
  write_streams(coded, code.lone(), sizes_at, out);
  write_escapes(coded, code, header, out);
  out.patch(header_at, &header, sizeof header);
  uint8_t* raw = out.reserve(rows * 8 * code.raw_bits);
  for (size_t r = 0; raw != nullptr && code.raw_bits > 0 && r < rows; ++r) {
    raw = pack_raw_bits(code.raw_bits, coded.data() + r * kLaneCount, raw);
  }
  out.append(plain.data(), plain.size());
}

void LaneEncoder::write_lengths(const LaneCode& code, Output& out) {
  std::array<uint8_t, 128> pairs = {};
  for (uint32_t place = 0; place < code.span; ++place) {
    const uint32_t length = code.length[code.symbol_at(place)];
    pairs[place / 2] = static_cast<uint8_t>(pairs[place / 2] | length << (place % 2 * 4));
  }
  out.append(pairs.data(), (code.span + 1) / 2);
}

/// Each group's windows and shared stream. Encoding runs backwards and must end with every lane at
/// the start of its first byte, so it begins where the lane's bits end modulo 8.
void LaneEncoder::write_streams(std::span<const uint8_t> rows, bool lone, size_t sizes_at,
                                Output& out) {
  if (lone) return;
  const uint32_t groups = table_.groups;
  const size_t row_count = rows.size() / kLaneCount;
  const size_t room = row_count / groups * kLaneCount + kLaneCount;
  streams_.resize(groups * room);
  uint8_t bits[kLaneGroupsMax][kLaneCount] = {};
  kernel_.count_bits(table_, row_count, rows.data(), bits);
  LaneEncodeState state = {};
  for (uint32_t g = 0; g < groups; ++g) {
    state.stream[g] = streams_.data() + (g + 1) * room;
    for (size_t j = 0; j < kLaneCount; ++j) state.position[g][j] = bits[g][j] & 7;
  }
  kernel_.encode_rows(table_, state, row_count, rows.data());
  for (uint32_t g = 0; g < groups; ++g) {
    const auto shared = static_cast<size_t>(streams_.data() + (g + 1) * room - state.stream[g]);
    const auto size = static_cast<uint32_t>(kWindowBytes + shared);
    out.append(state.high[g], kLaneCount);
    out.append(state.low[g], kLaneCount);
    out.append(state.stream[g], shared);
    out.patch(sizes_at + g * sizeof size, &size, sizeof size);
  }
}

/// The bytes without a code, in order: as they are, or as a stream when that is smaller.
void LaneEncoder::write_escapes(std::span<const uint8_t> rows, const LaneCode& code,
                                LaneSegmentHeader& header, Output& out) {
  if (code.escape_length == 0) return;
  if (escapes_.size() < rows.size() + 1) escapes_.resize(rows.size() + 1);
  const size_t count = find_escapes(rows, code, escapes_.data());
  const std::span<const uint8_t> escapes(escapes_.data(), count);
  header.escape_count = header.escape_bytes = static_cast<uint32_t>(count);
  if (outer_ && count > kWindowBytes) {
    if (escape_encoder_ == nullptr) escape_encoder_.reset(new LaneEncoder(kernel_, false));
    coded_escapes_.resize(count - 1);
    const auto bytes = escape_encoder_->encode(std::as_bytes(escapes), coded_escapes_);
    if (bytes) {
      header.escape_bytes = static_cast<uint32_t>(*bytes);
      return out.append(coded_escapes_.data(), *bytes);
    }
  }
  out.append(escapes.data(), escapes.size());
}

}  // namespace qload
