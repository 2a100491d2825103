// Every kernel against the scalar one: the same bytes and the same state after every call, for any
// table and any stream; and encoding, which is decoding backwards.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "format/codec/lane_huffman/lane_kernel.h"
#include "tests/support/lane_tables.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::random_lane_encode_table;
using test::random_lane_table;
using test::TableKind;

/// Bytes in allocations of just the size that kernels are promised.
struct Streams {
  Streams(std::mt19937_64& random, const LaneTable& table, size_t rows_max) {
    const size_t group_bytes = rows_max / table.groups * kLaneCount + kKernelReadAhead;
    for (uint32_t g = 0; g < table.groups; ++g) {
      groups.push_back(test::random_bytes(group_bytes, random()));
    }
    if (table.has_escapes()) {
      escapes = test::random_bytes(rows_max * kLaneCount + kKernelReadAhead, random());
    }
    raw = test::random_bytes(rows_max * 8 * table.raw_bits, random());
  }

  LaneState start(std::mt19937_64& random, uint32_t group_count) const {
    LaneState state;
    std::memset(&state, 0, sizeof state);
    for (uint32_t g = 0; g < group_count; ++g) {
      for (size_t j = 0; j < kLaneCount; ++j) {
        state.high[g][j] = static_cast<uint8_t>(random());
        state.low[g][j] = static_cast<uint8_t>(random());
        state.position[g][j] = random() & 7;
      }
      state.stream[g] = reinterpret_cast<const uint8_t*>(groups[g].data());
    }
    state.escape = reinterpret_cast<const uint8_t*>(escapes.data());
    state.raw = reinterpret_cast<const uint8_t*>(raw.data());
    if (random() % 2 == 0) state.beside = state.escape;
    return state;
  }

  std::vector<std::vector<std::byte>> groups;
  std::vector<std::byte> escapes;
  std::vector<std::byte> raw;
};

void expect_same(const LaneState& a, const LaneState& b, uint32_t groups, const std::string& what) {
  for (uint32_t g = 0; g < groups; ++g) {
    ASSERT_EQ(std::memcmp(a.high[g], b.high[g], kLaneCount), 0) << what << ": high of group " << g;
    ASSERT_EQ(std::memcmp(a.low[g], b.low[g], kLaneCount), 0) << what << ": low of group " << g;
    ASSERT_EQ(std::memcmp(a.position[g], b.position[g], kLaneCount), 0)
        << what << ": position of group " << g;
    ASSERT_EQ(a.stream[g], b.stream[g]) << what << ": stream of group " << g;
  }
  ASSERT_EQ(a.escape, b.escape) << what;
  ASSERT_EQ(a.raw, b.raw) << what;
}

/// Decodes by both kernels, in calls of various sizes.
void compare_decoding(std::mt19937_64& random, const LaneKernel& kernel, const LaneTable& table,
                      const std::string& what) {
  const LaneKernel& scalar = *usable_lane_kernels().front();
  const size_t call_rows[] = {table.groups, 3 * table.groups, 4, 12, 64, 100, kStripRowsMax};
  const size_t row_count = call_rows[random() % std::size(call_rows)];
  const Streams streams(random, table, row_count);
  LaneState expected_state = streams.start(random, table.groups);
  LaneState state = expected_state;
  std::vector<uint8_t> expected(row_count * kLaneCount, 0xA5);
  const size_t out_offset = random() % 32;  // Any alignment serves.
  std::vector<uint8_t> decoded(out_offset + row_count * kLaneCount, 0x5A);
  LanePrepared prepared;
  scalar.decode_rows(table)(table, prepared, expected_state, row_count, expected.data());
  kernel.prepare(table, prepared);
  kernel.decode_rows(table)(table, prepared, state, row_count, decoded.data() + out_offset);
  decoded.erase(decoded.begin(), decoded.begin() + static_cast<ptrdiff_t>(out_offset));
  ASSERT_EQ(decoded, expected) << what << ", " << row_count << " rows";
  expect_same(state, expected_state, table.groups, what);
}

TEST(LaneKernel, TheScalarOneIsFirstAndOneIsChosen) {
  ASSERT_FALSE(usable_lane_kernels().empty());
  EXPECT_EQ(usable_lane_kernels().front()->name, "scalar");
  EXPECT_EQ(find_lane_kernel(chosen_lane_kernel().name), &chosen_lane_kernel());
  EXPECT_EQ(find_lane_kernel("no such kernel"), nullptr);
}

TEST(LaneKernel, AllDecodeAsTheScalarOne) {
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 12; ++round) {
      for (TableKind kind : {TableKind::kFree, TableKind::kCells, TableKind::kCompact}) {
        for (uint32_t raw_bits = 0; raw_bits <= kRawBitsMax; ++raw_bits) {
          for (uint32_t groups : {1u, 4u}) {
            for (bool escapes : {false, true}) {
              const LaneTable table = random_lane_table(random, kind, raw_bits, groups, escapes);
              const std::string what = std::string(kernel->name) + ", kind " +
                                       std::to_string(static_cast<int>(kind)) + ", raw bits " +
                                       std::to_string(raw_bits) + ", groups " +
                                       std::to_string(groups) + (escapes ? ", escapes" : "");
              compare_decoding(random, *kernel, table, what);
              if (HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }
}

// Free codes whose escape is shorter or longer than the codes before it, codes without an order of
// lengths, and the lone code that has no bits.
TEST(LaneKernel, AllDecodeOddTablesAsTheScalarOne) {
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    std::mt19937_64 random(13);
    for (uint32_t round = 0; round < 40; ++round) {
      const uint32_t groups = round % 2 == 0 ? 1 : 4;
      LaneTable table = random_lane_table(random, TableKind::kFree, round % 5, groups, false);
      const auto escape_length = static_cast<uint32_t>(1 + random() % 8);
      table.escape_start = 256 - (256u >> escape_length);
      for (uint32_t peek = table.escape_start; peek < 256; ++peek) {
        table.length[peek] = static_cast<uint8_t>(escape_length);
      }
      compare_decoding(random, *kernel, table, "an escape of another length");
      for (uint8_t& length : table.length) length = static_cast<uint8_t>(random() % 9);
      compare_decoding(random, *kernel, table, "lengths in no order");
      std::memset(table.symbol, 7 << table.raw_bits, sizeof table.symbol);
      std::memset(table.cell_symbol, 7 << table.raw_bits, sizeof table.cell_symbol);
      std::memset(table.length, 0, sizeof table.length);
      std::memset(table.cell_length, 0, sizeof table.cell_length);
      table.escape_start = 256;
      compare_decoding(random, *kernel, table, "lone, free");
      table.cells = true;
      compare_decoding(random, *kernel, table, "lone, by cells");
      if (HasFatalFailure()) return;
    }
  }
}

/// A plane, what encoding it wrote and where it ended.
struct EncodedPlane {
  LaneEncodeState state;
  std::vector<std::vector<uint8_t>> memory;
};

EncodedPlane encode(const LaneKernel& kernel, const LaneEncodeTable& table, size_t row_count,
                    const uint8_t* plane) {
  EncodedPlane encoded;
  uint8_t bits[kLaneGroupsMax][kLaneCount] = {};
  kernel.count_bits(table, row_count, plane, bits);
  std::memset(&encoded.state, 0, sizeof encoded.state);
  encoded.memory.resize(table.groups);
  for (uint32_t g = 0; g < table.groups; ++g) {
    encoded.memory[g].assign(row_count / table.groups * kLaneCount + kLaneCount, 0);
    encoded.state.stream[g] = encoded.memory[g].data() + encoded.memory[g].size();
    for (size_t j = 0; j < kLaneCount; ++j) encoded.state.position[g][j] = bits[g][j] & 7;
  }
  kernel.encode_rows(table, encoded.state, row_count, plane);
  return encoded;
}

TEST(LaneKernel, AllEncodeAsTheScalarOne) {
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 60; ++round) {
      const uint32_t groups = round % 2 == 0 ? 1 : 4;
      const LaneEncodeTable table = random_lane_encode_table(random, groups);
      const size_t row_count = groups * (1 + random() % 100);
      const auto plane = test::random_bytes(row_count * kLaneCount, random());
      const auto* bytes = reinterpret_cast<const uint8_t*>(plane.data());
      const EncodedPlane expected = encode(*usable_lane_kernels().front(), table, row_count, bytes);
      const EncodedPlane encoded = encode(*kernel, table, row_count, bytes);
      for (uint32_t g = 0; g < groups; ++g) {
        ASSERT_EQ(std::memcmp(encoded.state.high[g], expected.state.high[g], kLaneCount), 0);
        ASSERT_EQ(std::memcmp(encoded.state.low[g], expected.state.low[g], kLaneCount), 0);
        for (size_t j = 0; j < kLaneCount; ++j) {
          ASSERT_EQ(encoded.state.position[g][j], 0) << "each lane starts at a byte's border";
        }
        const auto at = encoded.state.stream[g] - encoded.memory[g].data();
        ASSERT_EQ(at, expected.state.stream[g] - expected.memory[g].data()) << kernel->name;
        const std::vector<uint8_t> a(encoded.memory[g].begin() + at, encoded.memory[g].end());
        const std::vector<uint8_t> b(expected.memory[g].begin() + at, expected.memory[g].end());
        ASSERT_EQ(a, b) << kernel->name << ", group " << g;
      }
    }
  }
}

}  // namespace
}  // namespace qload
