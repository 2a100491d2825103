#include "format/pack/cut_chunks.h"

#include <gtest/gtest.h>

#include "format/base/limits.h"

namespace qload {
namespace {

constexpr uint64_t kMiB = 1u << 20;

/// Every cut covers the run exactly, within the bounds.
void expect_sound(const ChunkCut& cut, uint64_t bytes, uint64_t target) {
  EXPECT_EQ(cut.bytes, bytes);
  uint64_t covered = 0;
  for (uint64_t i = 0; i < cut.chunk_count; ++i) {
    EXPECT_EQ(cut.offset_of(i), covered);
    EXPECT_GT(cut.bytes_of(i), 0u);
    EXPECT_LE(cut.bytes_of(i), std::min(2 * target, kChunkBytesMax));
    if (i + 1 < cut.chunk_count) {
      EXPECT_GE(cut.bytes_of(i), target / 4);
    }
    covered += cut.bytes_of(i);
  }
  EXPECT_EQ(covered, bytes);
}

TEST(CutChunks, NothingHasNoChunk) {
  EXPECT_EQ(cut_bytes(0, kMiB).chunk_count, 0u);
  const uint64_t shape[] = {0, 768};
  EXPECT_EQ(cut_tensor(DType::kBF16, shape, 0, kMiB).chunk_count, 0u);
}

TEST(CutChunks, SmallIsOneChunk) {
  for (uint64_t bytes : {uint64_t{1}, uint64_t{4095}, kMiB - 1, kMiB, kMiB + kMiB / 8 - 1}) {
    ChunkCut cut = cut_bytes(bytes, kMiB);
    EXPECT_EQ(cut.chunk_count, 1u) << bytes;
    expect_sound(cut, bytes, kMiB);
  }
}

TEST(CutChunks, RemainderJoinsOnlyWhenTiny) {
  EXPECT_EQ(cut_bytes(3 * kMiB + kMiB / 8 - 1, kMiB).chunk_count, 3u);
  EXPECT_EQ(cut_bytes(3 * kMiB + kMiB / 8, kMiB).chunk_count, 4u);
  // At the largest target no chunk may grow at all.
  expect_sound(cut_bytes(kChunkBytesMax + 1, kChunkBytesMax), kChunkBytesMax + 1, kChunkBytesMax);
  EXPECT_EQ(cut_bytes(kChunkBytesMax + 1, kChunkBytesMax).chunk_count, 2u);
}

TEST(CutChunks, WholeRowsAndWholePages) {
  // 2048 rows of 2560 bytes: 8 rows are 5 pages, and 416 rows are nearest to 1 MiB from below.
  const uint64_t shape[] = {2048, 1280};
  ChunkCut cut = cut_tensor(DType::kBF16, shape, 2048 * 2560, kMiB);
  EXPECT_EQ(cut.chunk_bytes % 2560, 0u);
  EXPECT_EQ(cut.chunk_bytes % 4096, 0u);
  EXPECT_NEAR(static_cast<double>(cut.chunk_bytes), static_cast<double>(kMiB), 20480.0);
  expect_sound(cut, 2048 * 2560, kMiB);
}

TEST(CutChunks, RowsWithoutACommonPageStayWhole) {
  const uint64_t shape[] = {1000, 4099};
  ChunkCut cut = cut_tensor(DType::kI8, shape, 4099 * 1000, kMiB);
  EXPECT_EQ(cut.chunk_bytes % 4099, 0u);
  expect_sound(cut, 4099 * 1000, kMiB);
}

TEST(CutChunks, RowAboveTheBoundIsCutInEqualParts) {
  const uint64_t fits[] = {2, 2 * kMiB};
  EXPECT_EQ(cut_tensor(DType::kI8, fits, 4 * kMiB, kMiB).chunk_bytes, 2 * kMiB);
  const uint64_t thirds[] = {2, 2 * kMiB + 1};  // 3 * 699051.
  EXPECT_EQ(cut_tensor(DType::kI8, thirds, 2 * (2 * kMiB + 1), kMiB).chunk_bytes, 699051u);
  // Whole pages before the nearest size: a quarter of 1022 pages is nearest, a seventh is 146
  // pages.
  const uint64_t paged[] = {2, 1022 * 4096};
  EXPECT_EQ(cut_tensor(DType::kI8, paged, 2 * 1022 * 4096, kMiB).chunk_bytes, 146u * 4096);
  // A prime row has no parts, and a single row needs none: pages again.
  const uint64_t prime[] = {2, 2 * kMiB + 17};
  EXPECT_EQ(cut_tensor(DType::kI8, prime, 2 * (2 * kMiB + 17), kMiB).chunk_bytes, kMiB);
  const uint64_t single[] = {2 * kMiB + 1};
  EXPECT_EQ(cut_tensor(DType::kI8, single, 2 * kMiB + 1, kMiB).chunk_bytes, kMiB);
}

/// How many chunks a reader of rows [first, first + count) decodes.
uint64_t chunks_met(const ChunkCut& cut, uint64_t row_bytes, uint64_t first, uint64_t count) {
  const auto chunk_of = [&cut](uint64_t offset) {
    return std::min(offset / cut.chunk_bytes, cut.chunk_count - 1);
  };
  return chunk_of((first + count) * row_bytes - 1) - chunk_of(first * row_bytes) + 1;
}

// A tensor read by ranges of rows that begin where a chunk does is decoded once.
TEST(CutChunks, RangesOfRowsDecodeNoChunkTwice) {
  for (const uint64_t elements : {1u, 3u, 1000u, 4096u, 100'003u, 151'936u, 600'000u, 1'048'576u}) {
    for (const DType dtype : {DType::kI8, DType::kBF16, DType::kF32}) {
      const uint64_t row_bytes = elements * find_dtype(dtype)->block_bytes;
      const uint64_t rows = std::max<uint64_t>(3, (8u << 20) / row_bytes);
      const uint64_t shape[] = {rows, elements};
      const ChunkCut cut = cut_tensor(dtype, shape, rows * row_bytes, 256u << 10);
      expect_sound(cut, rows * row_bytes, 256u << 10);
      uint64_t met = 0;
      uint64_t first = 0;
      for (uint64_t row = 1; row <= rows; ++row) {
        if (row < rows && row * row_bytes % cut.chunk_bytes != 0) continue;
        if (row < rows && row * row_bytes / cut.chunk_bytes >= cut.chunk_count) continue;
        met += chunks_met(cut, row_bytes, first, row - first);
        first = row;
      }
      EXPECT_EQ(met, cut.chunk_count) << elements << " elements of " << row_bytes / elements;
      EXPECT_TRUE(cut.chunk_bytes % row_bytes == 0 || row_bytes % cut.chunk_bytes == 0)
          << elements << " elements of " << row_bytes / elements;
    }
  }
}

TEST(CutChunks, EveryDtypeAndShapeKeepsBlocksWhole) {
  for (const DTypeInfo& info : all_dtypes()) {
    for (uint64_t blocks : {1, 7, 1000, 100003}) {
      const uint64_t shape[] = {3, blocks * info.block_elements};
      uint64_t bytes = 3 * blocks * info.block_bytes;
      for (uint64_t target : {uint64_t{64} << 10, kMiB, kChunkBytesMax}) {
        ChunkCut cut = cut_tensor(info.dtype, shape, bytes, target);
        EXPECT_EQ(cut.chunk_bytes % info.block_bytes, 0u) << info.name;
        expect_sound(cut, bytes, target);
      }
    }
  }
}

TEST(CutChunks, ShapesThatContradictTheSizeDoNotMatter) {
  const uint64_t huge[] = {2, ~uint64_t{0}};
  expect_sound(cut_tensor(DType::kF64, huge, 3 * kMiB + 5, kMiB), 3 * kMiB + 5, kMiB);
  expect_sound(cut_tensor(DType::kF64, {}, 8, kMiB), 8, kMiB);
  expect_sound(cut_tensor(static_cast<DType>(9999), {}, 5 * kMiB, kMiB), 5 * kMiB, kMiB);
}

}  // namespace
}  // namespace qload
