#include "runtime/expand/expand_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "qload/model.h"
#include "tests/support/packed_model.h"

namespace qload::internal {
namespace {

// Every chunk of every tensor once, in file order, inside the window that has it.
TEST(ExpandPlanTest, WindowsCoverEveryByteOnce) {
  test::TempDirectory directory;
  const auto packed = test::pack_loader_fixture(directory);
  const auto model = Model::open(packed.path);
  ASSERT_TRUE(model.ok());
  const ModelState& state = model->state();
  const Index& index = state.container.index;
  std::vector<uint32_t> numbers(state.tensors.size());
  std::iota(numbers.begin(), numbers.end(), 0u);
  const auto layout = lay_out_tensors(state, numbers, 4096);
  ASSERT_TRUE(layout.has_value());
  const auto windows = plan_windows(index, *layout, state.container.superblock.alignment);
  ASSERT_GT(windows.size(), 1u) << "19 MB do not fit in one window";

  std::vector<uint64_t> next_chunk(numbers.size());
  uint64_t end = 4096;
  bool split = false;
  for (const ExpandWindow& window : windows) {
    ASSERT_FALSE(window.parts.empty());
    EXPECT_EQ(window.begin % state.container.superblock.alignment, 0u);
    EXPECT_LE(window.begin, window.write_begin());
    EXPECT_LE(window.end() - window.begin, kWindowBytes);
    for (const ExpandPart& part : window.parts) {
      EXPECT_GE(part.offset, end);
      end = part.offset + part.bytes;
      const auto chunks = index.chunks_of(index.tensors()[part.tensor]);
      ASSERT_EQ(part.chunks.first, next_chunk[part.tensor]);
      ASSERT_LE(part.chunks.first + part.chunks.count, chunks.size());
      const ChunkRecord& first = chunks[part.chunks.first];
      EXPECT_EQ(part.offset, layout->offsets[part.tensor] + first.decoded_offset);
      uint64_t bytes = 0;
      for (uint64_t i = 0; i < part.chunks.count; ++i) {
        bytes += chunks[part.chunks.first + i].decoded_bytes;
      }
      EXPECT_EQ(part.bytes, bytes);
      split = split || part.chunks.first > 0;
      next_chunk[part.tensor] += part.chunks.count;
    }
  }
  for (const uint32_t number : numbers) {
    EXPECT_EQ(next_chunk[number], index.tensors()[number].chunk_count) << number;
  }
  EXPECT_TRUE(split) << "a tensor goes over a window's end";
}

}  // namespace
}  // namespace qload::internal
