// struct_bytes: structs of callers older and newer than the library, and those that set it wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "runtime/c_api_structs.h"

namespace qload::c_api {
namespace {

using testing::HasSubstr;

struct Known {
  size_t struct_bytes;
  uint64_t first;
  uint64_t second;
};
struct Newer {
  Known known;
  uint64_t third;
};

TEST(StructBytes, AcceptsWhatAStructCanBe) {
  for (size_t bytes : {sizeof(size_t), sizeof(Known), sizeof(Known) + 8, kStructBytesMax}) {
    EXPECT_EQ(*read_struct_bytes(&bytes, sizeof(Known), "known"), bytes);
  }
  for (size_t bytes : {size_t{0}, sizeof(size_t) - 1, kStructBytesMax + 1, SIZE_MAX}) {
    auto refused = read_struct_bytes(&bytes, sizeof(Known), "known");
    ASSERT_FALSE(refused.ok()) << bytes;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(refused.error().message(),
              "known.struct_bytes is " + std::to_string(bytes) +
                  "; expected sizeof(known), which is 24 in this version");
  }
}

TEST(StructBytes, OlderStructLeavesDefaults) {
  const Known older = {offsetof(Known, second), 7, 8};
  Known known = {1, 2, 3};
  ASSERT_TRUE(copy_in(&older, &known, sizeof known, "known").ok());
  EXPECT_EQ(known.first, 7u);
  EXPECT_EQ(known.second, 0u) << "beyond struct_bytes nothing is read";
}

TEST(StructBytes, NewerStructMayOnlyHoldZeros) {
  Newer newer = {{sizeof(Newer), 7, 8}, 0};
  Known known = {};
  EXPECT_TRUE(copy_in(&newer, &known, sizeof known, "known").ok());
  EXPECT_EQ(known.second, 8u);
  newer.third = uint64_t{1} << 56;
  const auto refused = copy_in(&newer, &known, sizeof known, "known");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(
      refused.error().message(),
      "known of 32 bytes sets byte 31, which this version does not know; expected 0 after 24");
}

TEST(StructBytes, OutputKeepsToTheCallersSize) {
  const Known known = {sizeof known, 7, 8};
  Known older = {offsetof(Known, second), 1, 2};
  EXPECT_TRUE(write_struct(known, &older, "known").ok());
  EXPECT_EQ(older.struct_bytes, offsetof(Known, second));
  EXPECT_EQ(older.first, 7u);
  EXPECT_EQ(older.second, 2u) << "beyond struct_bytes nothing is written";

  Newer newer = {{sizeof(Newer), 1, 2}, 3};
  EXPECT_TRUE(write_struct(known, &newer.known, "known").ok());
  EXPECT_EQ(newer.known.struct_bytes, sizeof(Newer));
  EXPECT_EQ(newer.known.second, 8u);
  EXPECT_EQ(newer.third, 0u) << "what this version does not know is the default";

  Known unset = {};
  EXPECT_FALSE(write_struct(known, &unset, "known").ok());
}

TEST(ErrorText, IsCutBetweenCharacters) {
  qload_error error;
  const size_t room = sizeof error.message - 1;
  for (size_t length : {size_t{0}, room - 1, room, room + 1, 2 * room}) {
    const std::string message(length, 'm');
    EXPECT_EQ(report_error(ErrorCode::kCorrupt, message, &error), QLOAD_ERROR_CORRUPT);
    EXPECT_EQ(error.code, QLOAD_ERROR_CORRUPT);
    EXPECT_EQ(std::string(error.message), message.substr(0, room));
  }
  // U+20AC has three bytes: the cut may fall before it, or after one or two of them.
  for (size_t before = room - 3; before <= room; ++before) {
    const std::string kept(before, 'm');
    report_error(ErrorCode::kCorrupt, kept + "\xE2\x82\xAC" + "tail", &error);
    EXPECT_EQ(std::string(error.message), before == room - 3 ? kept + "\xE2\x82\xAC" : kept);
  }
  // Not UTF-8 at all: cut to nothing rather than outside the message.
  report_error(ErrorCode::kCorrupt, std::string(2 * room, '\x80'), &error);
  EXPECT_STREQ(error.message, "");
  EXPECT_EQ(report_error(ErrorCode::kIo, "text", nullptr), QLOAD_ERROR_IO);
  EXPECT_EQ(report_ok(&error), QLOAD_OK);
  EXPECT_EQ(error.code, QLOAD_OK);
}

void* no_memory(void*, size_t, size_t) { return nullptr; }
void no_release(void*, void*, size_t) {}

TEST(Options, NullAndZeroMeanDefaults) {
  qload_loader_options zero = {};
  zero.struct_bytes = sizeof zero;
  const qload_loader_options* const both[] = {nullptr, &zero};
  for (const qload_loader_options* options : both) {
    const LoaderOptions ours = *to_loader_options(options);
    const LoaderOptions defaults;
    EXPECT_EQ(ours.io_backend, defaults.io_backend);
    EXPECT_EQ(ours.direct_io, defaults.direct_io);
    EXPECT_EQ(ours.queue_depth, defaults.queue_depth);
    EXPECT_EQ(ours.decode_threads, defaults.decode_threads);
    EXPECT_EQ(ours.staging_bytes, defaults.staging_bytes);
    EXPECT_EQ(ours.read_bytes, defaults.read_bytes);
    EXPECT_EQ(ours.staging_allocator.allocate, nullptr);
    EXPECT_EQ(ours.staging_allocator.flags, kCpuWritable);
    EXPECT_EQ(ours.memory_bytes_max, defaults.memory_bytes_max);
    EXPECT_EQ(ours.reuse_bytes, defaults.reuse_bytes);
    EXPECT_EQ(ours.thread_nice, defaults.thread_nice);
    EXPECT_EQ(ours.ignore_cgroup, defaults.ignore_cgroup);
    EXPECT_TRUE(ours.processors.empty());
  }
}

TEST(Options, SetFieldsArrive) {
  qload_loader_options options = {};
  options.struct_bytes = sizeof options;
  options.io_backend = QLOAD_IO_PREAD;
  options.direct_io = QLOAD_DIRECT_DISABLED;
  options.queue_depth = 3;
  options.decode_threads = 4;
  options.staging_bytes = 5;
  options.read_bytes = 6;
  options.staging_allocator = {no_memory, no_release, &options, QLOAD_MEMORY_NO_DIRECT_IO, 0};
  const uint32_t processors[] = {3, 1};
  options.memory_bytes_max = 7;
  options.reuse_bytes = 8;
  options.processors = processors;
  options.processor_count = 2;
  options.thread_nice = -9;
  options.ignore_cgroup = 1;
  const LoaderOptions ours = *to_loader_options(&options);
  EXPECT_EQ(ours.memory_bytes_max, 7u);
  EXPECT_EQ(ours.reuse_bytes, 8u);
  EXPECT_EQ(ours.processors.data(), processors);
  EXPECT_EQ(ours.processors.size(), 2u);
  EXPECT_EQ(ours.thread_nice, -9);
  EXPECT_TRUE(ours.ignore_cgroup);
  EXPECT_EQ(ours.io_backend, IoBackend::kPread);
  EXPECT_EQ(ours.direct_io, DirectIo::kDisabled);
  EXPECT_EQ(ours.queue_depth, 3u);
  EXPECT_EQ(ours.decode_threads, 4u);
  EXPECT_EQ(ours.staging_bytes, 5u);
  EXPECT_EQ(ours.read_bytes, 6u);
  EXPECT_EQ(ours.staging_allocator.allocate, &no_memory);
  EXPECT_EQ(ours.staging_allocator.context, &options);
  EXPECT_EQ(ours.staging_allocator.flags, kNoDirectIo) << "flags are the caller's unless zero";

  qload_load_options load = {};
  load.verify = QLOAD_VERIFY_DECODED;
  load.pinning = QLOAD_PINNING_NEVER;
  load.huge_pages = QLOAD_HUGE_PAGES_ALWAYS;
  const LoadOptions to = *to_load_options(load);
  EXPECT_EQ(to.verify, Verify::kDecoded);
  EXPECT_EQ(to.pinning, Pinning::kNever);
  EXPECT_EQ(to.huge_pages, HugePages::kAlways);
}

/// The message with which `change` of zeroed options is refused, or "" when it is not.
template <class Change>
std::string refusal(Change&& change) {
  qload_loader_options loader = {};
  loader.struct_bytes = sizeof loader;
  qload_load_options load = {};
  change(loader, load);
  const auto first = to_loader_options(&loader);
  if (!first.ok()) return std::string(first.error().message());
  const auto second = to_load_options(load);
  return second.ok() ? "" : std::string(second.error().message());
}

TEST(Options, UnknownValuesAreRefusedByName) {
  EXPECT_EQ(refusal([](auto&, auto&) {}), "");
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.io_backend = 3; }),
              HasSubstr("io_backend is 3; expected 0 to 2"));
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.direct_io = 256; }),
              HasSubstr("direct_io is 256"));
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.reserved = 1; }), HasSubstr("reserved"));
  EXPECT_THAT(refusal([](auto&, auto& load) { load.verify = 3; }), HasSubstr("verify is 3"));
  EXPECT_THAT(refusal([](auto&, auto& load) { load.pinning = 3; }), HasSubstr("pinning is 3"));
  EXPECT_THAT(refusal([](auto&, auto& load) { load.huge_pages = 3; }),
              HasSubstr("huge_pages is 3"));
  EXPECT_THAT(refusal([](auto&, auto& load) { load.page_cache = 4; }), HasSubstr("page_cache"));
  EXPECT_THAT(refusal([](auto&, auto& load) { load.allocator.allocate = no_memory; }),
              HasSubstr("allocator: one of allocate and release is NULL"));
  EXPECT_THAT(refusal([](auto&, auto& load) { load.allocator.flags = 8; }),
              HasSubstr("allocator.flags is 8"));
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.staging_allocator.reserved = 1; }),
              HasSubstr("staging_allocator.reserved"));
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.ignore_cgroup = 2; }),
              HasSubstr("ignore_cgroup is 2; expected 0 or 1"));
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.processor_count = 3; }),
              HasSubstr("processors is NULL; expected 3 processors"));
  EXPECT_THAT(refusal([](auto& loader, auto&) { loader.processor_count = (1u << 18) + 1; }),
              HasSubstr("processor_count is 262145"));
}

// A caller compiled before the limits were there passes a shorter struct.
TEST(Options, OlderCallersHaveNoLimits) {
  qload_loader_options options = {};
  options.struct_bytes = offsetof(qload_loader_options, memory_bytes_max);
  options.queue_depth = 3;
  options.memory_bytes_max = 1;
  options.processor_count = 1;
  const LoaderOptions ours = *to_loader_options(&options);
  EXPECT_EQ(ours.queue_depth, 3u);
  EXPECT_EQ(ours.memory_bytes_max, 0u);
  EXPECT_TRUE(ours.processors.empty());
}

TEST(Statistics, ReusedBytesArrive) {
  LoadStatistics statistics;
  statistics.pinned_bytes = 1;
  statistics.reused_bytes = 2;
  EXPECT_EQ(to_c_statistics(statistics).pinned_bytes, 1u);
  EXPECT_EQ(to_c_statistics(statistics).reused_bytes, 2u);
}

}  // namespace
}  // namespace qload::c_api
