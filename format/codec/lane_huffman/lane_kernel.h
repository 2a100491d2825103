// What a kernel is: the pure loops of lane_huffman for one instruction set. Kernels check nothing
// and fail never; LaneDecoder and the encoder see to what they require.
//
// A kernel's file is compiled for its instruction set. It must not instantiate or call inline
// functions of the standard library: the linker could take its copy of one for the whole program,
// which then fails on processors without those instructions. So tables are plain arrays here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "format/codec/lane_huffman/lane_format.h"

namespace qload {

/// A code as decoding needs it: what the next 8 bits of a lane say.
struct LaneTable {
  /// By peeked byte: the symbol, already shifted left by raw_bits, and its code's length. Where
  /// escape_start <= peek the symbol is unspecified: the escaped byte replaces it.
  alignas(64) uint8_t symbol[256];
  alignas(64) uint8_t length[256];

  /// When `cells` is true the table is known by its aligned cells of four: all four entries have
  /// cell_length, and entry 4c + k has the symbol cell_symbol[c] + (k >> (8 - cell_length[c]) for
  /// lengths 7 and 8, else 0) << raw_bits, modulo 256. A lookup among 64 is then enough.
  alignas(64) uint8_t cell_symbol[64];
  alignas(64) uint8_t cell_length[64];
  bool cells = false;

  /// When true (only with cells), every cell_symbol is symbol_base + (s << raw_bits), modulo 256,
  /// with s below 32, and no length is 0: a symbol and its length fit in one byte.
  bool compact = false;
  uint8_t symbol_base = 0;

  uint32_t raw_bits = 0;
  uint32_t groups = 1;
  uint32_t escape_start = 256;  ///< 256: no escapes.

  // Always inline: an out-of-line copy could be a kernel's.
  [[gnu::always_inline]] bool has_escapes() const { return escape_start < 256; }
};

/// Room for what a kernel makes of a table (shuffle operands), filled by LaneKernel::prepare.
struct alignas(64) LanePrepared {
  uint8_t bytes[2048];
};

/// Where decoding stands, between calls of a kernel.
struct LaneState {
  alignas(64) uint8_t high[kLaneGroupsMax][kLaneCount];
  alignas(64) uint8_t low[kLaneGroupsMax][kLaneCount];
  alignas(64) uint8_t position[kLaneGroupsMax][kLaneCount];  ///< Bits used of the window: 0 to 7.
  const uint8_t* stream[kLaneGroupsMax];  ///< The next byte of each group's shared stream.
  const uint8_t* escape;                  ///< The next escaped byte, in the order of the plane.
  const uint8_t* raw;                     ///< The next row's raw bits.
  /// Memory that the caller reads beside the rows: as many bytes of it as rows have are fetched
  /// into the cache meanwhile, by kernels that do so. Null: none.
  const uint8_t* beside;
  /// Rows go around the cache: only set for a kernel that can, and rows on 64 bytes.
  bool around_cache;
};

/// Decodes `row_count` rows of 64 bytes to `out` and steps `state` on.
/// REQUIRES: row_count is a multiple of table.groups and at most kStripRowsMax; the next row is one
/// of group 0. Readable from state.stream[g]: 64 bytes for each of the group's rows, and
/// kKernelReadAhead more; from state.escape: 64 bytes a row and kKernelReadAhead more when the
/// table has escapes; from state.raw: exactly 8 * raw_bits bytes a row.
using DecodeRows = void (*)(const LaneTable& table, const LanePrepared& prepared, LaneState& state,
                            size_t row_count, uint8_t* out);

/// A code as encoding needs it, by byte of the plane.
struct LaneEncodeTable {
  alignas(64) uint8_t code[256];    ///< Its code's bits, at the top of the byte.
  alignas(64) uint8_t length[256];  ///< In bits; an escaped byte has the escape's.
  uint32_t groups = 1;
};

/// Where encoding stands. It runs from the last row to the first and is decoding backwards: the
/// windows are those that the decoder will have.
struct LaneEncodeState {
  alignas(64) uint8_t high[kLaneGroupsMax][kLaneCount];
  alignas(64) uint8_t low[kLaneGroupsMax][kLaneCount];
  alignas(64) uint8_t position[kLaneGroupsMax][kLaneCount];
  uint8_t* stream[kLaneGroupsMax];  ///< The byte before it is the next to be written, downwards.
};

/// Adds to bits[g][j] the code lengths of lane j's symbols in group g, modulo 256.
using CountLaneBits = void (*)(const LaneEncodeTable& table, size_t row_count, const uint8_t* plane,
                               uint8_t (*bits)[kLaneCount]);
/// Encodes `row_count` rows of `plane`, last to first. REQUIRES: row_count is a multiple of
/// table.groups; 64 bytes for each of the group's rows are writable before state.stream[g].
using EncodeRows = void (*)(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                            const uint8_t* plane);

/// One instruction set. All kernels give the same bytes and the same states on every input.
struct LaneKernel {
  std::string_view name;  ///< As QLOAD_KERNEL spells it.
  void (*prepare)(const LaneTable& table, LanePrepared& prepared);
  DecodeRows (*decode_rows)(const LaneTable& table);  ///< The loop for that kind of table.
  CountLaneBits count_bits;
  EncodeRows encode_rows;
  bool writes_around_cache = false;  ///< Its decoding heeds LaneState::around_cache.
};

/// The kernels of this build that this processor can run, slowest first; the first is "scalar", the
/// reference. Static storage.
std::span<const LaneKernel* const> usable_lane_kernels();
/// The kernel of that name among them, or null.
const LaneKernel* find_lane_kernel(std::string_view name);
/// The fastest one, or the one that the environment variable QLOAD_KERNEL names when it is usable.
/// Chosen at the first call, for the life of the process.
const LaneKernel& chosen_lane_kernel();

}  // namespace qload
