// The checked part of the decoder: header, lane borders, the last bytes of each lane, its end.
#include "format/codec/fse/fse_decode.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {
namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// The next `bit_count` bits, at most 13, without taking them; zeros stand past the end.
uint32_t peek_bits(const FseLane& lane, uint32_t bit_count) {
  const auto first = static_cast<size_t>(lane.bit_offset / 8);
  if (first >= lane.stored.size()) return 0;
  uint32_t bytes = 0;
  std::memcpy(&bytes, lane.stored.data() + first,
              std::min(lane.stored.size() - first, sizeof bytes));
  return bytes >> lane.bit_offset % 8 & ((1u << bit_count) - 1);
}

/// Finds the mark at the lane's start and reads the states behind it.
Status open_lane(FseLane& lane, size_t lane_index, uint32_t table_log) {
  if (lane.stored.empty() || lane.stored[0] == std::byte{0}) {
    return corrupt(text("fse lane ", lane_index, " of ", lane.stored.size(),
                        " bytes has no mark in its first byte"));
  }
  lane.bit_offset = std::countr_zero(static_cast<uint8_t>(lane.stored[0])) + 1u;
  for (uint32_t& state : lane.states) {
    state = peek_bits(lane, table_log);
    lane.bit_offset += table_log;
  }
  if (lane.bit_offset > lane.bit_limit()) {
    return corrupt(text("fse lane ", lane_index, " of ", lane.stored.size(),
                        " bytes breaks off in its states of ", table_log, " bits"));
  }
  return Ok{};
}

/// Decodes what the rounds left, byte by byte.
Status finish_lane(FseLane& lane, size_t lane_index, const FseDecodeTable& table) {
  for (size_t i = 0; i < lane.rest.size(); ++i) {
    uint32_t& state = lane.states[i % kFseStateCount];
    const FseEntry entry = table[state];
    lane.rest[i] = entry.value();
    state = entry.base() + peek_bits(lane, entry.bit_count());
    lane.bit_offset += entry.bit_count();
    if (lane.bit_offset > lane.bit_limit()) {
      return corrupt(text("fse lane ", lane_index, " of ", lane.stored.size(), " bytes ends ",
                          lane.rest.size() - i, " decoded bytes too early"));
    }
  }
  if (lane.bit_offset != lane.bit_limit()) {
    return corrupt(text("fse lane ", lane_index, " takes ", lane.bit_offset, " of its ",
                        lane.bit_limit(), " bits"));
  }
  for (uint32_t state : lane.states) {
    if (state == 0) continue;
    return corrupt(text("fse lane ", lane_index, " ends in a state ", state, "; expected 0"));
  }
  return Ok{};
}

/// Cuts what follows the counts into lanes.
Status cut_lanes(std::span<const std::byte> stored, std::span<std::byte> decoded,
                 std::span<FseLane> lanes) {
  if (lanes.size() == 2) {
    constexpr size_t kSizeBytes = sizeof(uint32_t);
    if (stored.size() < kSizeBytes) return corrupt("fse stream ends before the size of lane 0");
    const size_t first_bytes = load_le<uint32_t>(stored.data());
    stored = stored.subspan(kSizeBytes);
    if (first_bytes > stored.size()) {
      return corrupt(text("fse lane 0 has ", first_bytes, " bytes, but ", stored.size(),
                          " are left for both lanes"));
    }
    lanes[0].stored = stored.first(first_bytes);
    stored = stored.subspan(first_bytes);
  }
  lanes.back().stored = stored;
  for (size_t i = 0; i < lanes.size(); ++i) {
    const size_t bytes = fse_lane_bytes(decoded.size(), lanes.size(), i);
    lanes[i].rest = i == 0 ? decoded.first(bytes) : decoded.last(bytes);
  }
  return Ok{};
}

Status copy_stored_form(std::span<const std::byte> stored, std::span<std::byte> decoded) {
  if (stored.size() != decoded.size()) {
    return corrupt(text("an fse stream in stored form has ", stored.size(), " bytes; expected ",
                        decoded.size()));
  }
  if (!decoded.empty()) std::memcpy(decoded.data(), stored.data(), decoded.size());
  return Ok{};
}

}  // namespace

Status decode_fse(std::span<const std::byte> stored, std::span<std::byte> decoded,
                  const FseRoundsKernel& kernel, FseDecodeTable& table) {
  if (stored.empty()) return corrupt("fse stream is empty; expected its first byte");
  const auto form = static_cast<uint32_t>(stored[0]);
  if (form == 0) return copy_stored_form(stored.subspan(1), decoded);
  const uint32_t table_log = form & kFseTableLogMask;
  if ((form & ~(kFseTableLogMask | kFseTwoLanesBit)) != 0) {
    return corrupt(text("fse stream's first byte is ", form, "; expected its bits 5 to 7 zero"));
  }
  if (table_log < kFseTableLogMin || table_log > kFseTableLogMax) {
    return corrupt(text("fse table log is ", table_log, "; expected ", kFseTableLogMin, " to ",
                        kFseTableLogMax));
  }
  FseCounts counts;
  QLOAD_TRY(const size_t counts_bytes, read_counts(stored.subspan(1), table_log, counts));

  FseLane lane_memory[kFseLaneCountMax];
  const auto lanes = std::span(lane_memory).first((form & kFseTwoLanesBit) != 0 ? 2 : 1);
  QLOAD_CHECK(cut_lanes(stored.subspan(1 + counts_bytes), decoded, lanes));
  for (size_t i = 0; i < lanes.size(); ++i) QLOAD_CHECK(open_lane(lanes[i], i, table_log));
  build_decode_table(counts, table_log, table);
  kernel.decode_rounds(lanes, table);
  for (size_t i = 0; i < lanes.size(); ++i) QLOAD_CHECK(finish_lane(lanes[i], i, table));
  return Ok{};
}

}  // namespace qload
