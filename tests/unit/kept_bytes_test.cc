#include "format/pack/kept_bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace qload {
namespace {

/// "offset+bytes@run_offset " for each piece.
std::string pieces(const KeptRun& run, uint64_t offset, uint64_t bytes) {
  std::string out;
  Status status = run.each_piece(offset, bytes, [&](const FileRange& range, uint64_t at) -> Status {
    out += std::to_string(range.offset) + "+" + std::to_string(range.bytes) + "@" +
           std::to_string(at) + " ";
    return Ok{};
  });
  EXPECT_TRUE(status.ok());
  return out;
}

TEST(KeptBytes, HeaderGapAndTail) {
  const FileRange tensors[] = {{10, 5}, {15, 0}, {15, 5}, {30, 10}};
  auto run = KeptRun::create(43, tensors);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->bytes(), 23u);
  EXPECT_EQ(pieces(*run, 0, 23), "0+10@0 20+10@10 40+3@20 ");
  EXPECT_EQ(pieces(*run, 9, 2), "9+1@9 20+1@10 ");
  EXPECT_EQ(pieces(*run, 10, 10), "20+10@10 ");
  EXPECT_EQ(pieces(*run, 22, 1), "42+1@22 ");
  EXPECT_EQ(pieces(*run, 0, 0), "");
}

TEST(KeptBytes, NothingAndEverything) {
  EXPECT_EQ(KeptRun::create(0, {})->bytes(), 0u);
  EXPECT_EQ(pieces(*KeptRun::create(7, {}), 0, 7), "0+7@0 ");
  const FileRange whole[] = {{0, 7}};
  EXPECT_EQ(KeptRun::create(7, whole)->bytes(), 0u);
}

TEST(KeptBytes, OverlapsAndRangesOutsideAreCorrupt) {
  const FileRange overlap[] = {{0, 5}, {4, 1}};
  EXPECT_EQ(KeptRun::create(9, overlap).error().code(), ErrorCode::kCorrupt);
  const FileRange outside[] = {{8, 2}};
  EXPECT_EQ(KeptRun::create(9, outside).error().code(), ErrorCode::kCorrupt);
  const FileRange wraps[] = {{8, ~uint64_t{0}}};
  EXPECT_EQ(KeptRun::create(9, wraps).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace qload
