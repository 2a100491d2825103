// Lanes are written from their last byte to their first, towards lower addresses: an encoder
// leaves the states in the opposite order to a decoder, so a decoder reads forward.
#include "format/codec/fse/fse_encode.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "format/base/bytes.h"
#include "format/base/limits.h"
#include "format/codec/fse/fse_decode.h"
#include "format/codec/fse/fse_plan.h"

namespace qload {
namespace {

/// From this size on a second lane's border (about 11 bytes) costs less than 0.15 %.
constexpr size_t kTwoLanesBytesMin = 8192;

/// Writes bits before those it already wrote.
class LaneWriter {
 public:
  LaneWriter() = default;
  /// REQUIRES: 8 writable bytes before everything it writes.
  explicit LaneWriter(std::byte* end) : first_(end) {}

  /// REQUIRES: at most 57 bits between flushes. Bits of `bits` above `count` are ignored.
  void put(uint32_t bits, uint32_t count) {
    pending_ = pending_ << count | (bits & ((1u << count) - 1));
    pending_count_ += count;
  }
  /// Moves whole bytes to memory; at most 7 bits stay.
  void flush() {
    // The pending bits at the top of 8 bytes; what lies below is written over by the next flush.
    store_le(first_ - 8, pending_ << 1 << (63 - pending_count_));
    first_ -= pending_count_ / 8;
    pending_count_ %= 8;
  }
  /// Puts the mark before the first bit and returns the lane's first byte.
  std::byte* finish() {
    put(1, 1);
    put(0, (8 - pending_count_ % 8) % 8);
    flush();
    return first_;
  }

 private:
  std::byte* first_ = nullptr;
  uint64_t pending_ = 0;
  uint32_t pending_count_ = 0;
};

/// One lane while it is encoded.
struct EncodeLane {
  const std::byte* from = nullptr;
  size_t left = 0;  ///< Bytes at `from` that are still to encode; the last of them is next.
  LaneWriter writer;
  std::array<uint32_t, kFseStateCount> states = {};  ///< Each with L added.
};

/// Encodes one byte with the state whose turn it is.
inline void put_byte(const FseEncodeTable& table, LaneWriter& writer, std::byte byte,
                     uint32_t& state) {
  const FseEncodeTable::Step step = table.steps[static_cast<uint8_t>(byte)];
  const uint32_t bit_count = (state + step.bits) >> 16;
  writer.put(state, bit_count);
  state = table.next[static_cast<int32_t>(state >> bit_count) + step.first];
}

/// Brings a lane down to whole rounds.
void encode_odd_bytes(const FseEncodeTable& table, EncodeLane& lane) {
  for (; lane.left % kFseRoundBytes != 0; --lane.left) {
    put_byte(table, lane.writer, lane.from[lane.left - 1],
             lane.states[(lane.left - 1) % kFseStateCount]);
  }
  lane.writer.flush();
}

/// The last rounds of every lane at once: their chains of look-ups overlap.
template <size_t kLaneCount>
void encode_rounds(const FseEncodeTable& table, EncodeLane* lanes, size_t rounds) {
  static_assert(kFseRoundBytes == 4 && kFseStateCount == 4 && 4 * kFseTableLogMax <= 57);
  std::array<EncodeLane, kLaneCount> local;  // Registers: no store can alias them.
  std::copy_n(lanes, kLaneCount, local.begin());
  for (size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 2
    for (size_t i = 0; i < kLaneCount; ++i) {
      EncodeLane& lane = local[i];
      lane.left -= kFseRoundBytes;
      const std::byte* from = lane.from + lane.left;
      put_byte(table, lane.writer, from[3], lane.states[3]);
      put_byte(table, lane.writer, from[2], lane.states[2]);
      put_byte(table, lane.writer, from[1], lane.states[1]);
      put_byte(table, lane.writer, from[0], lane.states[0]);
      lane.writer.flush();
    }
  }
  std::copy_n(local.begin(), kLaneCount, lanes);
}

void encode_lanes(const FseEncodeTable& table, std::span<EncodeLane> lanes) {
  for (EncodeLane& lane : lanes) encode_odd_bytes(table, lane);
  if (lanes.size() == 2) {
    const size_t left = std::min(lanes[0].left, lanes[1].left);
    encode_rounds<2>(table, lanes.data(), left / kFseRoundBytes);
  }
  for (EncodeLane& lane : lanes) encode_rounds<1>(table, &lane, lane.left / kFseRoundBytes);
}

/// Room for a lane of `bytes`: its longest codes, its states, its mark, and a flush's 8 bytes.
size_t lane_room(size_t bytes) { return bytes * kFseTableLogMax / 8 + 32; }

using CodedLanes = std::array<std::span<const std::byte>, kFseLaneCountMax>;

/// Encodes both halves of `decoded`, or all of it in one lane, into memory's lanes.
CodedLanes encode_into_memory(std::span<const std::byte> decoded, uint32_t table_log,
                              size_t lane_count, FseEncodeMemory& memory) {
  const uint32_t start = 1u << table_log;  // State 0: the cheapest to leave, and known at the end.
  const size_t room = lane_room(fse_lane_bytes(decoded.size(), lane_count, lane_count - 1));
  if (memory.lanes.size() < room * lane_count) memory.lanes.resize(room * lane_count);
  std::array<EncodeLane, kFseLaneCountMax> lane_memory;
  const auto lanes = std::span(lane_memory).first(lane_count);
  const std::byte* from = decoded.data();
  for (size_t i = 0; i < lane_count; ++i) {
    const size_t bytes = fse_lane_bytes(decoded.size(), lane_count, i);
    std::byte* end = memory.lanes.data() + room * (i + 1);
    lanes[i] = {from, bytes, LaneWriter(end), {start, start, start, start}};
    from += bytes;
  }
  encode_lanes(memory.table, lanes);

  CodedLanes coded;
  for (size_t i = 0; i < lane_count; ++i) {
    LaneWriter& writer = lanes[i].writer;
    for (size_t state = kFseStateCount; state-- > 0;) {
      writer.put(lanes[i].states[state], table_log);
      writer.flush();
    }
    coded[i] = {writer.finish(), memory.lanes.data() + room * (i + 1)};
  }
  return coded;
}

/// The stream with the table of `plan`, when it fits `stored`.
std::optional<size_t> encode_planned(std::span<const std::byte> decoded, const FsePlan& plan,
                                     std::span<std::byte> stored, FseEncodeMemory& memory) {
  build_encode_table(plan.counts, plan.table_log, memory.table);
  const bool two_lanes = decoded.size() >= kTwoLanesBytesMin;
  const CodedLanes coded = encode_into_memory(decoded, plan.table_log, two_lanes ? 2 : 1, memory);
  const size_t size = 1 + plan.counts_form.size + (two_lanes ? sizeof(uint32_t) : 0) +
                      coded[0].size() + coded[1].size();
  if (size > stored.size()) return std::nullopt;

  stored[0] = static_cast<std::byte>(plan.table_log | (two_lanes ? kFseTwoLanesBit : 0));
  std::byte* to =
      std::copy_n(plan.counts_form.bytes.data(), plan.counts_form.size, stored.data() + 1);
  if (two_lanes) {
    store_le(to, static_cast<uint32_t>(coded[0].size()));
    to += sizeof(uint32_t);
  }
  for (const auto lane : coded) to = std::ranges::copy(lane, to).out;
  return size;
}

}  // namespace

std::optional<size_t> encode_fse(std::span<const std::byte> decoded, std::span<std::byte> stored,
                                 FseEncodeMemory& memory) {
  if (!decoded.empty() && decoded.size() <= kChunkBytesMax) {
    const FsePlan plan = plan_fse(count_bytes(decoded), decoded.size());
    // No more than the decoded bytes: the stored form has one more.
    const auto smaller = stored.first(std::min(stored.size(), decoded.size()));
    if (plan.computed_bytes < smaller.size()) {
      if (const auto size = encode_planned(decoded, plan, smaller, memory)) return size;
    }
  }
  if (stored.size() <= decoded.size()) return std::nullopt;
  stored[0] = std::byte{0};
  if (!decoded.empty()) std::memcpy(stored.data() + 1, decoded.data(), decoded.size());
  return decoded.size() + 1;
}

}  // namespace qload
