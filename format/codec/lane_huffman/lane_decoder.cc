#include "format/codec/lane_huffman/lane_decoder.h"

#include <algorithm>
#include <cstring>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {
namespace {

template <class... Pieces>
Error corrupt(const Pieces&... pieces) {
  return Error(ErrorCode::kCorrupt, text("lane_huffman: ", pieces...));
}

/// Twice what a kernel may read of the escaped bytes in one strip: more is seldom needed.
constexpr size_t kTailBytesKept = 64u << 10;
/// What a kernel may read of the escaped bytes in one strip.
constexpr size_t kEscapeReach = kStripRowsMax * kLaneCount + kKernelReadAhead;

const uint8_t* as_u8(const std::byte* bytes) { return reinterpret_cast<const uint8_t*>(bytes); }

/// Byte b of 64 is the nibble b of the even row, and above it that of the odd row.
void join_nibbles(const uint8_t* rows, size_t row_count, uint8_t* out) {
  for (size_t r = 0; r < row_count; r += 2, rows += 2 * kLaneCount, out += kLaneCount) {
    for (size_t j = 0; j < kLaneCount; ++j) {
      out[j] = static_cast<uint8_t>(rows[j] | rows[kLaneCount + j] << 4);
    }
  }
}

}  // namespace

std::span<uint8_t> PaddedTail::make(size_t bytes, size_t zeros) {
  if (bytes_ < bytes + zeros) {
    bytes_ = std::max(bytes + zeros, 2 * zeros);
    memory_ = std::make_unique<uint8_t[]>(bytes_);
    used_bytes_ = 0;
  }
  if (used_bytes_ > bytes) std::memset(memory_.get() + bytes, 0, used_bytes_ - bytes);
  used_bytes_ = bytes;
  return {memory_.get(), bytes};
}

void PaddedTail::shrink() {
  if (bytes_ <= kTailBytesKept) return;
  memory_.reset();
  bytes_ = used_bytes_ = 0;
}

const uint8_t* PaddedTail::hold(std::span<const uint8_t> tail, size_t zeros) {
  const auto room = make(tail.size(), zeros);
  std::ranges::copy(tail, room.begin());
  return room.data();
}

void LaneDecoder::Stream::start(std::span<const std::byte> bytes, const uint8_t*& from) {
  from = as_u8(bytes.data());
  end = from + bytes.size();
  padded = false;
}

/// A stream of bytes that the caller writes to what is returned.
std::span<uint8_t> LaneDecoder::Stream::start_padded(size_t bytes, size_t reach,
                                                     const uint8_t*& from) {
  const auto room = tail.make(bytes, reach);
  from = room.data();
  end = from + bytes;
  padded = true;
  return room;
}

/// Makes `reach` bytes readable from `from` on, which may move to the padded tail.
void LaneDecoder::Stream::pad(const uint8_t*& from, size_t reach) {
  if (padded || left(from) >= reach) return;
  const size_t bytes = left(from);
  from = tail.hold({from, bytes}, reach);
  end = from + bytes;
  padded = true;
}

Status LaneDecoder::decode(std::span<const std::byte> stored, std::span<std::byte> decoded) {
  QLOAD_CHECK(open(stored, decoded.size()));
  QLOAD_CHECK(next(decoded));
  return finish();
}

Status LaneDecoder::open(std::span<const std::byte> stored, size_t decoded_bytes) {
  if (stored.size() < sizeof(LaneStreamHeader)) {
    return corrupt(stored.size(), " stored bytes; expected ", sizeof(LaneStreamHeader), " or more");
  }
  const auto header = load_le<LaneStreamHeader>(stored.data());
  if ((header.flags & ~kNibbles) != 0 || header.reserved != 0) {
    return corrupt("flags ", static_cast<uint32_t>(header.flags), " and reserved ", header.reserved,
                   "; expected 0 or ", static_cast<uint32_t>(kNibbles), ", and 0");
  }
  const uint32_t log = header.segment_log;
  if (log != 0 && (log < kSegmentLogMin || log > kSegmentLogMax)) {
    return corrupt("segments of 2^", log, " bytes; expected 2^", kSegmentLogMin, " to 2^",
                   kSegmentLogMax);
  }
  nibbles_ = (header.flags & kNibbles) != 0;
  segment_bytes_ = log == 0 ? decoded_bytes : size_t{1} << log;
  stored_ = stored.subspan(sizeof header);
  decoded_left_ = decoded_bytes;
  segment_left_ = 0;
  beside_ = nullptr;
  return Ok{};
}

/// The next `bytes` stored bytes. REQUIRES: they are there.
std::span<const std::byte> LaneDecoder::take(size_t bytes) {
  const auto taken = stored_.first(bytes);
  stored_ = stored_.subspan(bytes);
  return taken;
}

Status LaneDecoder::open_segment() {
  segment_left_ = std::min(segment_bytes_, decoded_left_);
  if (stored_.size() < sizeof(LaneSegmentHeader)) {
    return corrupt("a segment's header is cut off after ", stored_.size(), " bytes");
  }
  const auto header = load_le<LaneSegmentHeader>(take(sizeof(LaneSegmentHeader)).data());
  if (std::ranges::any_of(header.reserved, [](uint8_t byte) { return byte != 0; })) {
    return corrupt("a reserved field of a segment is not zero");
  }
  if (header.groups == 0) {
    const bool plain = header.raw_bits == 0 && header.first_symbol == 0 &&
                       header.span_less_one == 0 && header.escape_length == 0 &&
                       header.escape_count == 0 && header.escape_bytes == 0;
    if (!plain) return corrupt("a segment of 0 groups has a code");
    rows_left_ = 0;
    if (stored_.size() < segment_left_) {
      return corrupt("a segment stored as it is has ", stored_.size(), " of its ", segment_left_,
                     " bytes");
    }
    plain_ = take(segment_left_).data();
    return Ok{};
  }
  LaneCode code;
  QLOAD_CHECK(read_code(header, code));
  return read_layout(header, code);
}

/// Fields of the header that make the code; the code lengths stand behind the groups' sizes.
Status LaneDecoder::read_code(const LaneSegmentHeader& header, LaneCode& code) {
  if (header.groups != 1 && header.groups != kLaneGroupsMax) {
    return corrupt(static_cast<uint32_t>(header.groups), " groups; expected 0, 1 or 4");
  }
  if (header.raw_bits > (nibbles_ ? 0 : kRawBitsMax)) {
    return corrupt(static_cast<uint32_t>(header.raw_bits), " raw bits; expected at most ",
                   nibbles_ ? 0 : kRawBitsMax);
  }
  if (header.escape_length > (nibbles_ ? 0 : kCodeBitsMax)) {
    return corrupt("an escape code of ", static_cast<uint32_t>(header.escape_length),
                   " bits; expected at most ", nibbles_ ? 0 : kCodeBitsMax);
  }
  code.raw_bits = header.raw_bits;
  code.symbol_count = nibbles_ ? 16 : 256u >> header.raw_bits;
  code.first_symbol = header.first_symbol;
  code.span = uint32_t{header.span_less_one} + 1;
  code.escape_length = header.escape_length;
  if (code.first_symbol >= code.symbol_count || code.span > code.symbol_count) {
    return corrupt("lengths of ", code.span, " symbols from ", code.first_symbol, " on; there are ",
                   code.symbol_count, " symbols");
  }
  return Ok{};
}

Status LaneDecoder::read_layout(const LaneSegmentHeader& header, const LaneCode& parsed) {
  LaneCode code = parsed;
  const size_t symbol_count = nibbles_ ? 2 * segment_left_ : segment_left_;
  const size_t rows = lane_rows(symbol_count, header.groups, nibbles_);
  const size_t row_bytes = nibbles_ ? kLaneCount / 2 : kLaneCount;
  const size_t raw_bytes = rows * 8 * code.raw_bits;
  const size_t plain_bytes = segment_left_ - rows * row_bytes;
  const size_t length_bytes = (code.span + 1) / 2;
  if (rows == 0) return corrupt("a coded segment of ", segment_left_, " bytes has no row");
  if (stored_.size() < 4u * header.groups + length_bytes) {
    return corrupt("a segment's code lengths are cut off");
  }
  std::array<uint32_t, kLaneGroupsMax> group_bytes = {};
  std::memcpy(group_bytes.data(), take(4u * header.groups).data(), 4u * header.groups);
  const auto lengths = take(length_bytes);
  for (uint32_t place = 0; place < 2 * length_bytes; ++place) {
    const auto pair = static_cast<uint32_t>(lengths[place / 2]);
    const uint32_t length = place % 2 == 0 ? pair & 15 : pair >> 4;
    if (length > (place < code.span ? kCodeBitsMax : 0)) {
      return corrupt("code length ", length, " at place ", place, " of ", code.span);
    }
    if (place < code.span) code.length[code.symbol_at(place)] = static_cast<uint8_t>(length);
  }
  QLOAD_CHECK(check_lane_code(code));
  const bool lone = code.lone();
  uint64_t expected = uint64_t{header.escape_bytes} + raw_bytes + plain_bytes;
  for (uint32_t g = 0; g < header.groups; ++g) {
    if (lone ? group_bytes[g] != 0 : group_bytes[g] < kWindowBytes) {
      return corrupt("a group's stream of ", group_bytes[g], " bytes");
    }
    expected += group_bytes[g];
  }
  const size_t escapes_max = code.escape_length == 0 ? 0 : rows * kLaneCount;
  if (header.escape_count > escapes_max || header.escape_bytes > header.escape_count) {
    return corrupt(header.escape_count, " escaped bytes in ", header.escape_bytes,
                   " stored ones; expected at most ", escapes_max, ", stored in no more bytes");
  }
  if (expected > stored_.size()) {
    return corrupt("a segment's streams take ", expected, " bytes; there are ", stored_.size());
  }
  make_decode_table(code, header.groups, table_);
  kernel_.prepare(table_, prepared_);
  decode_rows_ = kernel_.decode_rows(table_);
  rows_left_ = rows;
  for (uint32_t g = 0; g < header.groups; ++g) {
    groups_[g].start(take(group_bytes[g]), state_.stream[g]);
  }
  QLOAD_CHECK(start_escapes(header));
  state_.raw = as_u8(take(raw_bytes).data());
  plain_ = take(plain_bytes).data();
  start_groups(lone);
  return Ok{};
}

/// Fewer stored bytes than escaped ones are a stream of their own, whose escapes are not.
Status LaneDecoder::start_escapes(const LaneSegmentHeader& header) {
  const auto stored = take(header.escape_bytes);
  if (header.escape_bytes == header.escape_count) {
    escapes_.start(stored, state_.escape);
    return Ok{};
  }
  if (!outer_) return corrupt("escaped bytes of escaped bytes are coded");
  if (escape_decoder_ == nullptr) escape_decoder_.reset(new LaneDecoder(kernel_, false));
  const auto bytes = escapes_.start_padded(header.escape_count, kEscapeReach, state_.escape);
  auto status = escape_decoder_->decode(stored, std::as_writable_bytes(bytes));
  return status.ok() ? status : status.error().at("escaped bytes");
}

/// The first bytes of each stream are its lanes' windows. A lone symbol's stream is empty and its
/// windows are zero.
void LaneDecoder::start_groups(bool lone) {
  std::memset(state_.position, 0, sizeof state_.position);
  for (uint32_t g = 0; g < table_.groups; ++g) {
    if (lone) {
      std::memset(state_.high[g], 0, kLaneCount);
      std::memset(state_.low[g], 0, kLaneCount);
    } else {
      std::memcpy(state_.high[g], state_.stream[g], kLaneCount);
      std::memcpy(state_.low[g], state_.stream[g] + kLaneCount, kLaneCount);
      state_.stream[g] += kWindowBytes;
    }
  }
}

/// Before a strip every stream that might end in it moves to its padded tail, where a kernel may
/// read on; after it no stream may have gone past its end.
Status LaneDecoder::decode_strip(size_t row_count, uint8_t* out) {
  constexpr size_t kStripBytes = kStripRowsMax * kLaneCount;
  for (uint32_t g = 0; g < table_.groups; ++g) {
    groups_[g].pad(state_.stream[g], kStripBytes / table_.groups + kKernelReadAhead);
  }
  if (table_.has_escapes()) escapes_.pad(state_.escape, kEscapeReach);
  state_.around_cache =
      around_cache_ && !nibbles_ && reinterpret_cast<uintptr_t>(out) % kLaneCount == 0;
  state_.beside = beside_;
  if (beside_ != nullptr) beside_ += row_count * (nibbles_ ? kLaneCount / 2 : kLaneCount);
  decode_rows_(table_, prepared_, state_, row_count, out);
  for (uint32_t g = 0; g < table_.groups; ++g) {
    if (state_.stream[g] > groups_[g].end) return corrupt("group ", g, "'s stream ends early");
  }
  if (state_.escape > escapes_.end) return corrupt("the escaped bytes end early");
  return Ok{};
}

Status LaneDecoder::decode_nibble_strip(size_t row_count, uint8_t* out) {
  if (nibble_rows_ == nullptr) {
    nibble_rows_ = std::make_unique_for_overwrite<uint8_t[]>(kStripRowsMax * kLaneCount);
  }
  QLOAD_CHECK(decode_strip(row_count, nibble_rows_.get()));
  join_nibbles(nibble_rows_.get(), row_count, out);
  return Ok{};
}

/// Streams are consumed exactly, and the bits that no symbol used are zero.
Status LaneDecoder::check_segment_end() const {
  for (uint32_t g = 0; g < table_.groups; ++g) {
    if (state_.stream[g] != groups_[g].end) {
      return corrupt("group ", g, "'s stream has ", groups_[g].left(state_.stream[g]),
                     " bytes too many");
    }
    uint32_t unused = 0;
    for (size_t j = 0; j < kLaneCount; ++j) {
      const uint32_t window = static_cast<uint32_t>(state_.high[g][j]) << 8 | state_.low[g][j];
      unused |= window << state_.position[g][j] & 0xFFFF;
    }
    if (unused != 0) return corrupt("group ", g, "'s stream does not end in zero bits");
  }
  if (state_.escape != escapes_.end) {
    return corrupt(escapes_.left(state_.escape), " escaped bytes too many");
  }
  return Ok{};
}

Status LaneDecoder::next(std::span<std::byte> decoded) {
  QLOAD_ASSERT(decoded.size() <= decoded_left_);
  const size_t strip_row_bytes = nibbles_ ? kLaneCount / 2 : kLaneCount;
  auto* out = reinterpret_cast<uint8_t*>(decoded.data());
  size_t wanted = decoded.size();
  while (wanted > 0) {
    if (segment_left_ == 0) QLOAD_CHECK(open_segment());
    size_t made;
    if (rows_left_ > 0) {
      const size_t rows = std::min({rows_left_, kStripRowsMax, wanted / strip_row_bytes});
      QLOAD_ASSERT(rows > 0 && rows % table_.groups == 0);
      QLOAD_CHECK(nibbles_ ? decode_nibble_strip(rows, out) : decode_strip(rows, out));
      rows_left_ -= rows;
      made = rows * strip_row_bytes;
      if (rows_left_ == 0) QLOAD_CHECK(check_segment_end());
    } else {
      made = std::min(segment_left_, wanted);
      std::memcpy(out, plain_, made);
      plain_ += made;
    }
    out += made;
    wanted -= made;
    segment_left_ -= made;
    decoded_left_ -= made;
  }
  beside_ = nullptr;
  return Ok{};
}

Status LaneDecoder::finish() {
  QLOAD_ASSERT(decoded_left_ == 0 && segment_left_ == 0);
  escapes_.tail.shrink();
  if (!stored_.empty()) return corrupt(stored_.size(), " stored bytes behind the last segment");
  return Ok{};
}

}  // namespace qload
