// find_duplicates: who equals whom, and who only seems to.
#include "format/pack/find_duplicates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

using testing::ElementsAre;

/// A ProgressMeter refers to its function.
const std::function<void(const PackProgress&)> kUntold;

class FindDuplicates : public testing::Test {
 protected:
  /// Adds a one-dimensional tensor of U8 named by its number.
  void add(const std::vector<std::byte>& bytes) { add("U8", {bytes.size()}, bytes); }
  void add(std::string_view dtype, std::vector<uint64_t> shape, std::vector<std::byte> bytes) {
    builder_.add("t" + std::to_string(count_++), dtype, std::move(shape), std::move(bytes));
  }
  ModelSource open() {
    write_file(path_, builder_.build());
    auto source = open_model_source(path_, OpenAs::kSafetensors);
    EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
    return std::move(source).value();
  }
  /// The answer of one thread, which is that of several.
  std::vector<uint32_t> find() {
    const ModelSource source = open();
    ProgressMeter progress(kUntold, 0);
    auto one = find_duplicates(source, 1, progress, {});
    EXPECT_TRUE(one.ok()) << (one.ok() ? "" : one.error().message());
    for (uint32_t threads : {2u, 7u}) {
      auto several = find_duplicates(source, threads, progress, {});
      EXPECT_TRUE(several.ok() && *several == *one) << threads << " threads";
    }
    return one.ok() ? *one : std::vector<uint32_t>();
  }

  TempDirectory directory_;
  std::filesystem::path path_ = directory_ / "m.safetensors";
  SafetensorsBuilder builder_;
  size_t count_ = 0;
};

TEST_F(FindDuplicates, NothingInNothing) {
  EXPECT_THAT(find(), ElementsAre());
  add({});
  add({});
  EXPECT_THAT(find(), ElementsAre(0, 1)) << "nothing is gained by sharing nothing";
}

TEST_F(FindDuplicates, EqualTensorsPointAtTheFirst) {
  const auto a = random_bytes(3'000'001, 1);  // Three pieces.
  const auto b = random_bytes(3'000'001, 2);
  for (const auto& bytes : {a, b, a, a, b}) add(bytes);
  EXPECT_THAT(find(), ElementsAre(0, 1, 0, 0, 1));
}

TEST_F(FindDuplicates, OnlyFromAMinimumOn) {
  for (size_t bytes : {kDuplicateBytesMin - 1, kDuplicateBytesMin, kDuplicateBytesMin + 1}) {
    add(random_bytes(bytes, 1));
    add(random_bytes(bytes, 1));
  }
  EXPECT_THAT(find(), ElementsAre(0, 1, 2, 2, 4, 4));
}

// One byte differs, wherever it stands: at both ends, where blocks are sampled and where not.
TEST_F(FindDuplicates, OneByteMakesTheDifference) {
  for (size_t bytes : {size_t{4096}, size_t{5000}, size_t{70'000}, size_t{2'500'000}}) {
    const auto original = random_bytes(bytes, bytes);
    for (size_t at : {size_t{0}, bytes / 8, bytes / 4, bytes / 2, bytes * 3 / 4, bytes - 1}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes, " << at);
      builder_ = {};
      auto other = original;
      other[at] ^= std::byte{0x01};
      add(original);
      add(other);
      EXPECT_THAT(find(), ElementsAre(0, 1));
    }
  }
}

// Tensors that agree in every sampled block and differ elsewhere, mixed with true copies of each.
TEST_F(FindDuplicates, CopiesAmongLookAlikes) {
  std::vector<std::vector<std::byte>> variants(3, random_bytes(2'000'000, 9));
  variants[1][1'500'001] ^= std::byte{0x80};
  variants[2][1'500'001] ^= std::byte{0x40};
  for (int variant : {2, 0, 1, 0, 2, 1, 1}) add(variants[variant]);
  EXPECT_THAT(find(), ElementsAre(0, 1, 2, 1, 0, 2, 2));
}

TEST_F(FindDuplicates, EqualBytesOfAnotherFormStayApart) {
  const auto bytes = random_bytes(8192, 3);
  add("U8", {8, 1024}, bytes);
  add("I8", {8, 1024}, bytes);
  add("U8", {16, 512}, bytes);
  add("F32", {2, 1024}, bytes);
  add("U8", {8192}, bytes);
  EXPECT_THAT(find(), ElementsAre(0, 1, 2, 3, 4));
  add("U8", {2, 4, 1024}, bytes);  // Only outer dimensions differ: it is cut like the first.
  EXPECT_THAT(find(), ElementsAre(0, 1, 2, 3, 4, 0));
}

TEST_F(FindDuplicates, AcrossFiles) {
  const auto bytes = random_bytes(10'000, 4);
  write_file(directory_ / "a.safetensors",
             SafetensorsBuilder().add("x", "U8", {10'000}, bytes).build());
  write_file(directory_ / "b.safetensors",
             SafetensorsBuilder()
                 .add("other", "U8", {10'000}, random_bytes(10'000, 5))
                 .add("y", "U8", {10'000}, bytes)
                 .build());
  auto source = open_model_source(directory_.path(), OpenAs::kDetect);
  ASSERT_TRUE(source.ok()) << source.error().message();
  ProgressMeter progress(kUntold, 0);
  EXPECT_THAT(find_duplicates(*source, 2, progress, {}).value(), ElementsAre(0, 1, 0));
}

// What is read whole is known to the progress before it is read, and all of it is counted.
TEST_F(FindDuplicates, ProgressCountsWhatIsReadWhole) {
  auto other = random_bytes(2'000'000, 6);
  add(other);
  other[1'500'001] ^= std::byte{1};
  add(other);                       // Looks the same to the samples: digested.
  add(other);                       // Is the same: digested and compared.
  add(random_bytes(2'000'000, 7));  // Differs in the first sample.
  add(random_bytes(1'000'000, 8));  // Of another size.
  const ModelSource source = open();
  PackProgress last{};
  const std::function<void(const PackProgress&)> remember = [&](const PackProgress& p) {
    last = p;
  };
  ProgressMeter progress(remember, 100);
  EXPECT_THAT(find_duplicates(source, 2, progress, {}).value(), ElementsAre(0, 1, 1, 3, 4));
  progress.finish();
  EXPECT_EQ(last.bytes_total, 100 + 3 * 2'000'000u + 2 * 2'000'000u);
  EXPECT_EQ(last.bytes_done, last.bytes_total - 100) << "what was spared counts as done";
}

TEST_F(FindDuplicates, StopsWhenAsked) {
  for (int i = 0; i < 2; ++i) add(random_bytes(10'000, 1));
  std::stop_source stop;
  stop.request_stop();
  ProgressMeter progress(kUntold, 0);
  auto found = find_duplicates(open(), 2, progress, stop.get_token());
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kCancelled);
}

TEST_F(FindDuplicates, AFileThatShrankIsAnError) {
  for (int i = 0; i < 2; ++i) add(random_bytes(10'000, 1));
  const ModelSource source = open();
  std::filesystem::resize_file(path_, 12'000);
  ProgressMeter progress(kUntold, 0);
  auto found = find_duplicates(source, 2, progress, {});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace qload::test
