#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/checksum_kernels.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "qload/tensor.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::TempDirectory;
using test::to_bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Checked, StopsAtTheEdgeOf64Bits) {
  EXPECT_EQ(checked_add(UINT64_MAX - 1, 1), UINT64_MAX);
  EXPECT_FALSE(checked_add(UINT64_MAX, 1));
  EXPECT_EQ(checked_multiply(1ull << 32, (1ull << 32) - 1), UINT64_MAX - (1ull << 32) + 1);
  EXPECT_FALSE(checked_multiply(1ull << 32, 1ull << 32));
  EXPECT_TRUE(range_fits(10, 0, 10));
  EXPECT_TRUE(range_fits(3, 7, 10));
  EXPECT_FALSE(range_fits(3, 8, 10));
  EXPECT_FALSE(range_fits(11, 0, 10));
  EXPECT_FALSE(range_fits(1, UINT64_MAX, 10));
  EXPECT_EQ(checked_align_up(4097, 4096), 8192u);
  EXPECT_FALSE(checked_align_up(UINT64_MAX, 4096));
  EXPECT_TRUE(is_power_of_two(1));
  EXPECT_FALSE(is_power_of_two(0));
  EXPECT_FALSE(is_power_of_two(6));
}

TEST(ByteReader, NeverStepsPastTheEnd) {
  const auto bytes = to_bytes("\x01\x02\x03\x04\x05");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.read<uint32_t>(), 0x04030201u);
  EXPECT_FALSE(reader.read<uint16_t>());
  EXPECT_EQ(reader.remaining(), 1u);
  EXPECT_FALSE(reader.read_bytes(2));
  EXPECT_FALSE(reader.read_bytes(UINT64_MAX));
  EXPECT_EQ(reader.read<uint8_t>(), 5);
  EXPECT_EQ(reader.read_bytes(0)->size(), 0u);
}

// Values of the xxHash specification's test vectors for the empty input and seed 0.
TEST(Checksum, MatchesPublishedVectors) {
  EXPECT_EQ(checksum64({}), 0x2D06800538D394C2ull);
  const Digest empty = digest_of({});
  EXPECT_EQ(empty.algorithm, 1u);
  EXPECT_EQ(empty.bytes[0], 0x99);
  EXPECT_EQ(empty.bytes[1], 0xAA);
  EXPECT_EQ(empty.bytes[15], 0x7F);
  EXPECT_EQ(empty.bytes[16], 0);
}

// Every width gives the same checksum, over every way in which XXH3 treats a length.
TEST(Checksum, WiderKernelsAgreeWithTheBaseline) {
#if defined(__x86_64__)
  const auto bytes = test::random_bytes(300'000, 4711);
  const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  const bool avx512 = __builtin_cpu_supports("avx512f") != 0;
  if (!avx2) GTEST_SKIP() << "this processor has no AVX2";
  for (size_t count :
       {0, 1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1023, 1024, 1025, 65536, 299'993}) {
    for (size_t offset : {0, 1, 7}) {
      const uint64_t baseline = xxh3_baseline(bytes.data() + offset, count);
      EXPECT_EQ(xxh3_avx2(bytes.data() + offset, count), baseline) << count;
      if (!avx512) continue;
      EXPECT_EQ(xxh3_avx512(bytes.data() + offset, count), baseline) << count;
    }
  }
#else
  GTEST_SKIP() << "one width only on this processor";
#endif
}

TEST(Checksum, StreamEqualsOneCall) {
  const auto bytes = test::random_bytes(100'003, 7);
  DigestStream stream;
  for (size_t at = 0, step = 1; at < bytes.size(); at += step, step = step * 3 + 1) {
    stream.update(std::span(bytes).subspan(at, std::min(step, bytes.size() - at)));
  }
  EXPECT_EQ(stream.finish(), digest_of(bytes));
  stream.reset();
  EXPECT_EQ(stream.finish(), digest_of({}));
}

TEST(DType, TableIsConsistent) {
  for (const DTypeInfo& info : all_dtypes()) {
    EXPECT_EQ(find_dtype(info.dtype), &info);
    EXPECT_GE(info.block_elements, 1u);
    EXPECT_GE(info.block_bytes, 1u);
  }
  EXPECT_EQ(find_dtype(static_cast<DType>(0)), nullptr);
  EXPECT_EQ(find_dtype(static_cast<DType>(0xFFFF)), nullptr);
}

TEST(Text, QuotesWhatIsNotPrintable) {
  EXPECT_EQ(quote("a\"b\\\n"), "\"a\\\"b\\\\\\x0a\"");
  EXPECT_EQ(quote(std::string(100, 'x'), 3), "\"xxx...\"");
  EXPECT_EQ(text("n=", 3, ' ', uint64_t{UINT64_MAX}), "n=3 18446744073709551615");
}

TEST(Text, FindsWhereUtf8Ends) {
  EXPECT_EQ(find_not_utf8(""), std::string_view::npos);
  EXPECT_EQ(find_not_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), std::string_view::npos);
  EXPECT_EQ(find_not_utf8("ab\xE9"), 2u);             // Latin-1.
  EXPECT_EQ(find_not_utf8("a\xC0\x80"), 1u);          // Overlong.
  EXPECT_EQ(find_not_utf8("a\xED\xA0\x80"), 1u);      // Surrogate.
  EXPECT_EQ(find_not_utf8("a\xF4\x90\x80\x80"), 1u);  // Past U+10FFFF.
  EXPECT_EQ(find_not_utf8("a\xE2\x82"), 1u);          // Cut.
}

TEST(File, ReadsWholeRangesOrFails) {
  TempDirectory directory;
  test::write_file(directory / "a", "0123456789");
  auto file = File::open(directory / "a");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->bytes(), 10u);
  auto middle = file->read_vector(3, 4);
  ASSERT_TRUE(middle.ok());
  EXPECT_EQ(as_text(*middle), "3456");
  EXPECT_TRUE(file->read_vector(10, 0).ok());
  EXPECT_EQ(file->read_vector(10, 1).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(file->read_vector(0, UINT64_MAX).error().code(), ErrorCode::kCorrupt);
}

TEST(File, ReportsTruncationAfterOpen) {
  TempDirectory directory;
  test::write_file(directory / "a", "0123456789");
  auto file = File::open(directory / "a");
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(truncate((directory / "a").c_str(), 5), 0);
  auto bytes = file->read_vector(0, 10);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(bytes.error().message()), HasSubstr("ends at offset 5"));
}

TEST(File, RefusesWhatIsNotARegularFile) {
  TempDirectory directory;
  EXPECT_EQ(File::open(directory.path()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(File::open(directory / "none").error().code(), ErrorCode::kNotFound);
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(File::open(directory / "fifo").error().code(), ErrorCode::kInvalidArgument);
}

TEST(File, RangeOfADescriptor) {
  TempDirectory directory;
  test::write_file(directory / "a", "0123456789");
  auto whole = File::open(directory / "a");
  ASSERT_TRUE(whole.ok());
  auto part = File::from_descriptor(whole->descriptor(), 4, 3, "part");
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->bytes(), 3u);
  EXPECT_EQ(as_text(*part->read_vector(0, 3)), "456");
  EXPECT_FALSE(part->read_vector(0, 4).ok());
  EXPECT_EQ(File::from_descriptor(whole->descriptor(), 4, 0, "tail")->bytes(), 6u);
  EXPECT_FALSE(File::from_descriptor(whole->descriptor(), 11, 0, "past").ok());
  EXPECT_FALSE(File::from_descriptor(whole->descriptor(), 4, 7, "past").ok());
  EXPECT_FALSE(File::from_descriptor(-1, 0, 0, "closed").ok());
}

TEST(AtomicFile, AppearsOnlyWhenCommitted) {
  TempDirectory directory;
  {
    auto file = AtomicFile::create(directory / "out", {});
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write_at(2, to_bytes("cd")).ok());
    ASSERT_TRUE(file->write_at(0, to_bytes("ab")).ok());
    EXPECT_FALSE(std::filesystem::exists(directory / "out"));
    ASSERT_TRUE(file->commit().ok());
  }
  EXPECT_EQ(as_text(test::read_file(directory / "out")), "abcd");
  EXPECT_THAT(test::list_directory(directory.path()), ElementsAre("out"));
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  TempDirectory directory;
  {
    auto file = AtomicFile::create(directory / "out", {});
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write_at(0, to_bytes("ab")).ok());
  }
  EXPECT_THAT(test::list_directory(directory.path()), IsEmpty());
}

TEST(AtomicFile, RefusesToReplaceUnlessTold) {
  TempDirectory directory;
  test::write_file(directory / "out", "old");
  auto refused = AtomicFile::create(directory / "out", {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  auto replacing = AtomicFile::create(directory / "out", {.overwrite = true});
  ASSERT_TRUE(replacing.ok());
  ASSERT_TRUE(replacing->write_at(0, to_bytes("new!")).ok());
  EXPECT_EQ(as_text(test::read_file(directory / "out")), "old");
  ASSERT_TRUE(replacing->commit().ok());
  EXPECT_EQ(as_text(test::read_file(directory / "out")), "new!");
  EXPECT_THAT(test::list_directory(directory.path()), ElementsAre("out"));
}

TEST(AtomicFile, RefusesANameThatAppearedMeanwhile) {
  TempDirectory directory;
  auto file = AtomicFile::create(directory / "out", {});
  ASSERT_TRUE(file.ok());
  test::write_file(directory / "out", "theirs");
  auto status = file->commit();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(as_text(test::read_file(directory / "out")), "theirs");
}

TEST(AtomicFile, NeverReplacesWhatIsNotAFile) {
  TempDirectory directory;
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  auto file = AtomicFile::create(directory / "fifo", {.overwrite = true});
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::is_fifo(directory / "fifo"));
}

// Too few descriptors is an error before the file has its name, not after.
TEST(AtomicFile, FewDescriptorsLeaveNothing) {
  TempDirectory directory;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  bool succeeded = false;
  for (rlim_t limit = 3; limit < 64 && !succeeded; ++limit) {
    const rlimit few = {limit, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    {
      auto file = AtomicFile::create(directory / "out", {});
      succeeded = file.ok() && file->write_at(0, to_bytes("ab")).ok() && file->commit().ok();
    }
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(std::filesystem::exists(directory / "out"), succeeded);
  }
  EXPECT_TRUE(succeeded);
}

TEST(AtomicFile, NamesTheDirectoryThatIsMissing) {
  TempDirectory directory;
  auto file = AtomicFile::create(directory / "no" / "out", {});
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(AtomicFile::create(directory.path(), {.overwrite = true}).ok());
}

Result<int> half(int value) {
  if (value % 2 != 0) return Error(ErrorCode::kInvalidArgument, text(value, " is odd"));
  return value / 2;
}
Result<int> quarter(int value) {
  QLOAD_TRY(const int first, half(value));
  QLOAD_TRY(const int second, half(first));
  return second;
}

TEST(Try, PropagatesTheFirstError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message(), "3 is odd");
  EXPECT_EQ(quarter(6).error().at("here").message(), "here: 3 is odd");
}

}  // namespace
}  // namespace qload
