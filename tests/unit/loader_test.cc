// The loader against real engines: every way of loading gives the source's bytes.
#include "qload/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "format/base/file.h"
#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

using test::TempDirectory;
using ::testing::HasSubstr;

bool uring_here() {
  LoaderOptions options;
  options.io_backend = IoBackend::kUring;
  return Loader::create(options).ok();
}

class LoaderTest : public test::PackedModelSuite {
 protected:
  void SetUp() override {
    unsetenv("QLOAD_IO");
    unsetenv("QLOAD_DIRECT");
  }

  TempDirectory directory_;  // This test's own.
};

struct Way {
  IoBackend io;
  DirectIo direct;
  uint32_t threads;
  uint64_t staging;
  uint32_t depth;
};

TEST_F(LoaderTest, EveryWayGivesTheSameBytes) {
  const bool uring = uring_here();
  const Model model = open();
  const Way ways[] = {
      {IoBackend::kAuto, DirectIo::kOptional, 0, 32u << 20, 32},
      {IoBackend::kAuto, DirectIo::kDisabled, 1, 1u << 20, 1},
      {IoBackend::kUring, DirectIo::kOptional, 2, 32u << 20, 32},
      {IoBackend::kUring, DirectIo::kOptional, 3, 1u << 20, 2},
      {IoBackend::kUring, DirectIo::kDisabled, 1, 2u << 20, 64},
      {IoBackend::kPread, DirectIo::kOptional, 2, 4u << 20, 8},
      {IoBackend::kPread, DirectIo::kDisabled, 4, 1u << 20, 3},
  };
  for (const Way& way : ways) {
    if (way.io == IoBackend::kUring && !uring) continue;
    LoaderOptions options;
    options.io_backend = way.io;
    options.direct_io = way.direct;
    options.decode_threads = way.threads;
    options.staging_bytes = way.staging;
    options.queue_depth = way.depth;
    auto loader = Loader::create(options);
    ASSERT_TRUE(loader.ok()) << loader.error().message();
    for (const Verify verify : {Verify::kChunks, Verify::kIndexOnly, Verify::kDecoded}) {
      LoadStatistics statistics;
      LoadOptions load;
      load.verify = verify;
      load.statistics = &statistics;
      auto weights = loader->load(model, load);
      ASSERT_TRUE(weights.ok()) << weights.error().message();
      test::expect_weights(*weights, packed_);
      EXPECT_EQ(statistics.bytes_decoded, model.decoded_bytes());
      EXPECT_GE(statistics.bytes_read, statistics.bytes_stored);
      EXPECT_LE(statistics.bytes_read, statistics.bytes_stored + statistics.read_count * 8192);
      EXPECT_NE(statistics.engine, IoBackend::kAuto);
      EXPECT_FALSE(way.direct == DirectIo::kDisabled && statistics.direct);
      EXPECT_NE(statistics.bound, LoadStage::kNone);
      EXPECT_GT(statistics.bytes_read_in_place, 0u);
    }
  }
  if (!uring) GTEST_SKIP() << "io_uring is refused here; only pread was tried";
}

TEST_F(LoaderTest, NamedTensorsOnly) {
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  const std::string_view names[] = {"model.layers.2.tiny.39", "lm_head.raw",
                                    "model.layers.0.tiny.0", "model.embed_tokens.weight"};
  LoadStatistics statistics;
  LoadOptions options;
  options.statistics = &statistics;
  auto weights = loader->load(model, names, options);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  EXPECT_EQ(weights->tensors().size(), 4u);
  test::expect_weights(*weights, packed_, false);
  EXPECT_LT(statistics.bytes_read, model.stored_bytes() * 3 / 4);

  const std::string_view unknown[] = {"lm_head.raw", "absent"};
  auto missing = loader->load(model, unknown);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(std::string(missing.error().message()), HasSubstr("\"absent\""));
  const std::string_view twice[] = {"lm_head.raw", "lm_head.raw"};
  EXPECT_EQ(loader->load(model, twice).error().code(), ErrorCode::kInvalidArgument);
  auto nothing = loader->load(model, std::span<const std::string_view>());
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->tensors().empty());
}

// Destinations at every kind of address, with guard bytes on both sides.
TEST_F(LoaderTest, IntoCallerMemoryAndNoByteBeyond) {
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  constexpr std::byte kGuard{0xA5};
  for (const size_t shift : {0u, 1u, 64u, 512u, 4095u}) {
    std::vector<std::vector<std::byte>> memory;
    std::vector<Destination> destinations;
    for (const TensorInfo& info : model.tensors()) {
      memory.emplace_back(info.bytes + 8192 + 64, kGuard);
      const auto base = reinterpret_cast<uintptr_t>(memory.back().data());
      const size_t offset = (4096 - base % 4096) % 4096 + shift;
      destinations.push_back({info.name, {memory.back().data() + offset, info.bytes}});
    }
    const Status status = loader->load_into(model, destinations);
    ASSERT_TRUE(status.ok()) << status.error().message();
    for (size_t i = 0; i < destinations.size(); ++i) {
      const auto& expected = packed_.tensors.at(std::string(destinations[i].name));
      ASSERT_TRUE(std::ranges::equal(destinations[i].data, expected)) << destinations[i].name;
      const std::byte* begin = memory[i].data();
      const std::byte* end = begin + memory[i].size();
      const std::byte* data = destinations[i].data.data();
      EXPECT_TRUE(std::all_of(begin, data, [](std::byte b) { return b == kGuard; }));
      EXPECT_TRUE(
          std::all_of(data + expected.size(), end, [](std::byte b) { return b == kGuard; }));
    }
  }
}

TEST_F(LoaderTest, DestinationsAreChecked) {
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  std::vector<std::byte> memory(8u << 20);
  const auto at = [&](size_t offset, size_t bytes) {
    return std::span(memory).subspan(offset, bytes);
  };
  const Destination small[] = {{"lm_head.raw", at(0, 100)}};
  EXPECT_EQ(loader->load_into(model, small).error().code(), ErrorCode::kInvalidArgument);
  const Destination overlapping[] = {{"lm_head.raw", at(0, 3u << 20)},
                                     {"lm_head.zeros", at((3u << 20) - 1, 2u << 20)}};
  EXPECT_EQ(loader->load_into(model, overlapping).error().code(), ErrorCode::kInvalidArgument);
  const Destination touching[] = {{"lm_head.raw", at(0, 3u << 20)},
                                  {"lm_head.zeros", at(3u << 20, 2u << 20)}};
  EXPECT_TRUE(loader->load_into(model, touching).ok());
  const Destination absent[] = {{"absent", at(0, 1)}};
  EXPECT_EQ(loader->load_into(model, absent).error().code(), ErrorCode::kNotFound);
}

TEST_F(LoaderTest, InsideAnotherFileAtAnyOffset) {
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  const auto container = test::read_file(packed_.path);
  for (const size_t offset : {4096u, 777u, 65536u}) {
    std::vector<std::byte> outer(offset, std::byte{0x11});
    outer.insert(outer.end(), container.begin(), container.end());
    outer.insert(outer.end(), 5000, std::byte{0x22});
    test::write_file(directory_ / "outer", outer);
    auto file = File::open(directory_ / "outer");
    ASSERT_TRUE(file.ok());
    auto model = Model::open_descriptor(file->descriptor(), offset, container.size());
    ASSERT_TRUE(model.ok()) << model.error().message();
    auto weights = loader->load(*model);
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    test::expect_weights(*weights, packed_);
    EXPECT_FALSE(Model::open_descriptor(file->descriptor(), offset + 1, container.size()).ok());
    EXPECT_FALSE(Model::open_descriptor(file->descriptor(), offset, container.size() - 1).ok());
  }
}

TEST_F(LoaderTest, ProgressRisesAndEndsAtTheTotal) {
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  uint64_t last = 0;
  uint64_t total = 0;
  const auto caller = std::this_thread::get_id();
  LoadOptions options;
  options.on_progress = [&](const Progress& progress) {
    EXPECT_GE(progress.bytes_decoded, last);
    EXPECT_EQ(std::this_thread::get_id(), caller);
    last = progress.bytes_decoded;
    total = progress.bytes_total;
  };
  ASSERT_TRUE(loader->load(model, options).ok());
  EXPECT_EQ(total, model.decoded_bytes());
  EXPECT_EQ(last, total);
}

TEST_F(LoaderTest, AStopBeforeTheLoadCancelsIt) {
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  std::stop_source stop;
  stop.request_stop();
  LoadOptions options;
  options.stop = stop.get_token();
  auto weights = loader->load(model, options);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code(), ErrorCode::kCancelled);
  auto after = loader->load(model);
  ASSERT_TRUE(after.ok()) << "a cancelled load must leave the loader fit for the next";
  test::expect_weights(*after, packed_);
}

TEST_F(LoaderTest, StopsAtAnyMomentLeaveTheLoaderFit) {
  const Model model = open();
  LoaderOptions small;
  small.staging_bytes = 1u << 20;
  auto loader = Loader::create(small);
  ASSERT_TRUE(loader.ok());
  for (int round = 0; round < 30; ++round) {
    std::stop_source stop;
    std::thread stopper([&, round] {
      usleep(static_cast<useconds_t>(round * 150));
      stop.request_stop();
    });
    LoadOptions options;
    options.stop = stop.get_token();
    auto weights = loader->load(model, options);
    stopper.join();
    if (weights.ok()) {
      test::expect_weights(*weights, packed_);
    } else {
      EXPECT_EQ(weights.error().code(), ErrorCode::kCancelled);
    }
  }
}

TEST_F(LoaderTest, ManyThreadsShareOneLoader) {
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 3; ++round) {
        auto weights = loader->load(model);
        ASSERT_TRUE(weights.ok()) << weights.error().message();
        test::expect_weights(*weights, packed_);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(LoaderTest, HookMemoryIsUsedForAWholeLoad) {
  struct Hook {
    int allocations = 0;
    int releases = 0;
  } hook;
  LoadOptions options;
  options.allocator.context = &hook;
  options.allocator.allocate = [](void* context, size_t bytes, size_t alignment) -> void* {
    ++static_cast<Hook*>(context)->allocations;
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  };
  options.allocator.release = [](void* context, void* block, size_t) {
    ++static_cast<Hook*>(context)->releases;
    std::free(block);
  };
  const Model model = open();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  {
    for (const uint32_t flags : {uint32_t{kCpuWritable}, uint32_t{kCpuWritable | kNoDirectIo}}) {
      options.allocator.flags = flags;
      LoadStatistics statistics;
      options.statistics = &statistics;
      auto weights = loader->load(model, options);
      ASSERT_TRUE(weights.ok()) << weights.error().message();
      test::expect_weights(*weights, packed_);
      EXPECT_EQ(statistics.pinned_bytes, 0u);
      EXPECT_EQ(statistics.bytes_read_in_place > 0, (flags & kNoDirectIo) == 0);
    }
    EXPECT_EQ(hook.allocations, 2);
  }
  EXPECT_EQ(hook.releases, 2);
  options.statistics = nullptr;  // Those above are gone; a load that fails fills them too.
  options.allocator.allocate = [](void*, size_t, size_t) -> void* { return nullptr; };
  EXPECT_EQ(loader->load(model, options).error().code(), ErrorCode::kOutOfMemory);
  options.allocator.release = nullptr;
  EXPECT_EQ(loader->load(model, options).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(LoaderTest, HeadersAndFilesAreThere) {
  const Model model = open();
  ASSERT_EQ(model.files().size(), 1u);
  EXPECT_EQ(model.files()[0].path, "fixture.safetensors");
  EXPECT_EQ(model.files()[0].format, "safetensors");
  auto header = model.read_header(0);
  ASSERT_TRUE(header.ok());
  const auto source = test::read_file(*shared_directory_ / "fixture.safetensors");
  ASSERT_EQ(header->size(), model.files()[0].header_bytes);
  EXPECT_TRUE(std::equal(header->begin(), header->end(), source.begin()));
  EXPECT_EQ(model.read_header(1).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(model.layer_count(), 3u);
}

}  // namespace
}  // namespace qload
