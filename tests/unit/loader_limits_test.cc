// Options of a Loader that bound its threads: ranges, defaults, processors of the caller's choice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "qload/loader.h"
#include "runtime/host/processors.h"
#include "runtime/load/loader_state.h"

namespace qload {
namespace {

using ::testing::HasSubstr;

Result<uint32_t> thread_count(const LoaderOptions& options) {
  auto state = internal::create_loader_state(options, kernel_engine_factory());
  if (!state.ok()) return state.error();
  return state.value()->pool->thread_count();
}

TEST(LoaderThreads, TheDefaultIsWhatTheSystemGrants) {
  const auto granted = place_threads({});
  ASSERT_TRUE(granted.ok());
  EXPECT_EQ(*thread_count({}), std::min(granted->thread_count, 1024u));
  LoaderOptions three;
  three.decode_threads = 3;
  EXPECT_EQ(*thread_count(three), 3u);
}

TEST(LoaderThreads, TheCallersProcessors) {
  const std::vector<uint32_t> mask = read_affinity();
  ASSERT_FALSE(mask.empty());
  LoaderOptions options;
  const std::vector<uint32_t> one = {mask.front()};
  options.processors = one;
  EXPECT_EQ(*thread_count(options), 1u);
  const std::vector<uint32_t> wrong = {mask.front(), mask.back() + 1};
  options.processors = wrong;
  auto refused = Loader::create(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.error().message()),
              HasSubstr("processor " + std::to_string(mask.back() + 1)));
}

TEST(LoaderThreads, NicenessHasARange) {
  for (const int32_t nice : {-20, -1, 0, 19}) {
    LoaderOptions options;
    options.thread_nice = nice;
    EXPECT_TRUE(Loader::create(options).ok()) << nice;
  }
  for (const int32_t nice : {-21, 20}) {
    LoaderOptions options;
    options.thread_nice = nice;
    auto refused = Loader::create(options);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("thread_nice"));
  }
}

}  // namespace
}  // namespace qload
