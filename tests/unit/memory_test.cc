#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/memory/destination_block.h"
#include "runtime/memory/host_block.h"
#include "runtime/memory/staging_ring.h"

namespace qload {
namespace {

using ::testing::HasSubstr;

// Counts what a hook is asked for.
struct CountingHook {
  uint64_t allocated = 0;
  uint64_t released = 0;
  bool refuse = false;
  size_t shift = 0;  // Returned pointers are this many bytes off.

  Allocator allocator(uint32_t flags = kCpuWritable) {
    Allocator hook;
    hook.allocate = [](void* context, size_t bytes, size_t alignment) -> void* {
      auto* self = static_cast<CountingHook*>(context);
      if (self->refuse) return nullptr;
      self->allocated += bytes;
      auto* block = static_cast<char*>(std::aligned_alloc(
          alignment, (bytes + self->shift + alignment - 1) / alignment * alignment));
      return block + self->shift;
    };
    hook.release = [](void* context, void* block, size_t bytes) {
      auto* self = static_cast<CountingHook*>(context);
      self->released += bytes;
      std::free(static_cast<char*>(block) - self->shift);
    };
    hook.context = this;
    hook.flags = flags;
    return hook;
  }
};

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

TEST(StagingRing, CutsIntoSlotsAndCountsUsers) {
  StagingRing ring;
  ASSERT_TRUE(ring.allocate(1u << 20, {}).ok());
  ASSERT_TRUE(ring.cut(300'000).ok());
  EXPECT_EQ(ring.slot_bytes(), 303'104u);  // 74 pages.
  ASSERT_EQ(ring.slot_count(), 3u);
  const auto first = ring.acquire();
  const auto second = ring.acquire();
  const auto third = ring.acquire();
  ASSERT_TRUE(first && second && third);
  EXPECT_FALSE(ring.acquire());
  EXPECT_EQ(ring.slot(*first) - ring.memory().data(), 0);
  ring.add_user(*second);
  ring.release(*second);
  EXPECT_FALSE(ring.acquire());
  ring.release(*second);
  EXPECT_EQ(ring.acquire(), second);
}

TEST(StagingRing, RefusesASlotLargerThanItself) {
  StagingRing ring;
  ASSERT_TRUE(ring.allocate(1u << 20, {}).ok());
  EXPECT_TRUE(ring.cut(1u << 20).ok());
  EXPECT_EQ(ring.slot_count(), 1u);
  auto status = ring.cut((1u << 20) + 1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kBudgetTooSmall);
}

TEST(StagingRing, WaitersWakeWhenASlotIsReleased) {
  StagingRing ring;
  ASSERT_TRUE(ring.allocate(1u << 20, {}).ok());
  ASSERT_TRUE(ring.cut(1u << 20).ok());
  const auto slot = ring.acquire();
  ASSERT_TRUE(slot);
  std::thread releaser([&] { ring.release(*slot); });
  ring.wait_for_free();
  releaser.join();
  EXPECT_TRUE(ring.acquire());
}

TEST(StagingRing, ReturnsHookMemory) {
  CountingHook hook;
  {
    StagingRing ring;
    ASSERT_TRUE(ring.allocate(1u << 20, hook.allocator()).ok());
  }
  EXPECT_EQ(hook.released, 1u << 20);
  hook.refuse = true;
  StagingRing ring;
  EXPECT_EQ(ring.allocate(1u << 20, hook.allocator()).error().code(), ErrorCode::kOutOfMemory);
}

TEST(StagingRing, ChecksHookMemory) {
  CountingHook hook;
  StagingRing ring;
  EXPECT_EQ(ring.allocate(1u << 20, hook.allocator(kPinned)).error().code(),
            ErrorCode::kUnsupported);
  hook.shift = 512;
  EXPECT_EQ(ring.allocate(1u << 20, hook.allocator()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(hook.allocated, hook.released);
  hook.shift = 0;
  ASSERT_TRUE(ring.allocate(1u << 20, hook.allocator(kCpuWritable | kNoDirectIo)).ok());
  EXPECT_FALSE(ring.direct_allowed());
}

}  // namespace
}  // namespace qload
