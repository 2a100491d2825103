#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/memory/destination_block.h"
#include "runtime/memory/host_block.h"
#include "tests/support/counting_hook.h"

namespace qload {
namespace {

using test::CountingHook;
using ::testing::HasSubstr;

TEST(HostBlock, IsAlignedAndMovable) {
  HostBlock block = HostBlock::allocate(1000, 4096);
  ASSERT_NE(block.data(), nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 4096, 0u);
  std::memset(block.data(), 1, block.bytes());
  HostBlock moved = std::move(block);
  EXPECT_EQ(moved.bytes(), 1000u);
  EXPECT_NE(HostBlock::allocate(0, 64).data(), nullptr);
}

TEST(DestinationBlock, LargeOnesAreFreshMappings) {
  for (const uint64_t bytes : {1ull << 20, (64ull << 20) + 1}) {
    auto block = DestinationBlock::allocate(bytes, 4096, {}, Pinning::kNever);
    ASSERT_TRUE(block.ok());
    EXPECT_TRUE(block->fresh_mapping());
    EXPECT_EQ(block->pinned_bytes(), 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % (2u << 20), 0u);
    block->data()[0] = std::byte{1};
    block->data()[bytes - 1] = std::byte{1};
  }
}

TEST(DestinationBlock, SmallAndEmptyOnesComeFromTheHeap) {
  for (const uint64_t bytes : {0u, 1u, (1u << 20) - 1}) {
    auto block = DestinationBlock::allocate(bytes, 65536, {}, Pinning::kAuto);
    ASSERT_TRUE(block.ok());
    EXPECT_FALSE(block->fresh_mapping());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block->data()) % 65536, 0u);
  }
}

TEST(DestinationBlock, ImpossibleSizesAreRefused) {
  for (const uint64_t bytes : {UINT64_MAX, UINT64_MAX - 4096, uint64_t{1} << 60}) {
    auto block = DestinationBlock::allocate(bytes, 4096, {}, Pinning::kNever);
    ASSERT_FALSE(block.ok());
    EXPECT_EQ(block.error().code(), ErrorCode::kOutOfMemory);
  }
}

TEST(DestinationBlock, HookMemoryIsUsedAndReturned) {
  CountingHook hook;
  {
    auto block = DestinationBlock::allocate(5000, 4096, hook.allocator(), Pinning::kAuto);
    ASSERT_TRUE(block.ok());
    EXPECT_FALSE(block->fresh_mapping());
    EXPECT_TRUE(block->direct_allowed());
    EXPECT_EQ(block->pinned_bytes(), 0u);
    EXPECT_EQ(hook.released, 0u);
  }
  EXPECT_EQ(hook.allocated, 5000u);
  EXPECT_EQ(hook.released, 5000u);
}

TEST(DestinationBlock, HookFlagsAreBelieved) {
  CountingHook hook;
  auto pinned = DestinationBlock::allocate(
      100, 64, hook.allocator(kCpuWritable | kPinned | kNoDirectIo), Pinning::kRequired);
  ASSERT_TRUE(pinned.ok());
  EXPECT_EQ(pinned->pinned_bytes(), 100u);
  EXPECT_FALSE(pinned->direct_allowed());
  EXPECT_EQ(
      DestinationBlock::allocate(100, 64, hook.allocator(), Pinning::kRequired).error().code(),
      ErrorCode::kOutOfMemory);
  EXPECT_EQ(
      DestinationBlock::allocate(100, 64, hook.allocator(kPinned), Pinning::kAuto).error().code(),
      ErrorCode::kUnsupported);
}

TEST(DestinationBlock, HookFailuresAreErrors) {
  CountingHook hook;
  hook.refuse = true;
  EXPECT_EQ(DestinationBlock::allocate(100, 64, hook.allocator(), Pinning::kAuto).error().code(),
            ErrorCode::kOutOfMemory);
  hook.refuse = false;
  hook.shift = 8;
  auto shifted = DestinationBlock::allocate(100, 64, hook.allocator(), Pinning::kAuto);
  ASSERT_FALSE(shifted.ok());
  EXPECT_THAT(std::string(shifted.error().message()), HasSubstr("not aligned to 64"));
  EXPECT_EQ(hook.allocated, hook.released);
}

}  // namespace
}  // namespace qload
