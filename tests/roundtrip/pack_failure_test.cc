// Packing that must fail, and leave nothing behind.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <limits>
#include <string>

#include "tests/roundtrip/roundtrip.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

namespace fs = std::filesystem;

/// A raw file of 2 MiB and the source that reads it.
class PackFailure : public testing::Test {
 protected:
  PackFailure() {
    write_file(input_, gaussian_int8(2u << 20, 8.0, 1));
    options_.chunk_bytes = 64u << 10;
  }
  ModelSource open() {
    auto source = open_model_source(input_, OpenAs::kRaw);
    EXPECT_TRUE(source.ok());
    return std::move(source).value();
  }
  void expect_only_input() {
    EXPECT_EQ(list_directory(directory_.path()), std::vector<std::string>{"in.bin"});
  }

  TempDirectory directory_;
  fs::path input_ = directory_ / "in.bin";
  fs::path output_ = directory_ / "out.qpk";
  PackOptions options_ = test_options();
};

TEST_F(PackFailure, CancelledMidway) {
  std::stop_source stop;
  ModelSource source = open();
  uint64_t seen = 0;
  auto on_progress = [&](const PackProgress& progress) {
    seen = progress.bytes_done;
    stop.request_stop();
  };
  // Progress comes every 50 ms; packing is repeated until it is slow enough to be interrupted.
  for (int i = 0; i < 200 && seen == 0; ++i) {
    options_.zstd_level = 19;
    options_.codec = CodecId::kZstd;
    auto report = pack_model(source, output_, options_, on_progress, stop.get_token());
    if (report.ok()) {
      seen = 0;
      stop = std::stop_source();
      fs::remove(output_);
      continue;
    }
    EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  }
  EXPECT_GT(seen, 0u);
  EXPECT_LT(seen, source.bytes());
  expect_only_input();
}

TEST_F(PackFailure, CancelledBefore) {
  std::stop_source stop;
  stop.request_stop();
  auto report = pack_model(open(), output_, options_, {}, stop.get_token());
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  expect_only_input();
}

TEST_F(PackFailure, OutputExists) {
  write_file(output_, "mine");
  auto report = pack_model(open(), output_, options_);
  EXPECT_EQ(report.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(output_), to_bytes("mine"));
  options_.overwrite = true;
  ASSERT_TRUE(pack_model(open(), output_, options_).ok());
  EXPECT_EQ(open_container(output_).index.files().size(), 1u);
}

TEST_F(PackFailure, OutputIsTheSource) {
  options_.overwrite = true;
  fs::path other_name = directory_ / "link.qpk";
  fs::create_hard_link(input_, other_name);
  for (const fs::path& output : {input_, other_name}) {
    auto report = pack_model(open(), output, options_);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(fs::file_size(input_), 2u << 20);
}

TEST_F(PackFailure, OutputDirectoryIsMissing) {
  EXPECT_FALSE(pack_model(open(), directory_ / "none" / "out.qpk", options_).ok());
  expect_only_input();
}

TEST_F(PackFailure, SourceTruncatedMeanwhile) {
  ModelSource source = open();
  fs::resize_file(input_, 1'000'000);
  auto report = pack_model(source, output_, options_);
  EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt);
  expect_only_input();
}

TEST_F(PackFailure, SourceWrittenMeanwhile) {
  ModelSource source = open();
  bool written = false;
  auto on_progress = [&](const PackProgress&) {
    if (!written) fs::last_write_time(input_, fs::file_time_type{});
    written = true;
  };
  options_.codec = CodecId::kZstd;
  options_.zstd_level = 19;  // Slow enough for a first report of progress.
  auto report = pack_model(source, output_, options_, on_progress);
  if (!written) GTEST_SKIP() << "packing took less than one progress interval";
  EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt);
  expect_only_input();
}

TEST_F(PackFailure, FullFileSystem) {
  fs::path mount_point = directory_ / "small";
  fs::create_directory(mount_point);
  if (geteuid() != 0 || mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=1m,mode=700") != 0) {
    GTEST_SKIP() << "a small tmpfs cannot be mounted here (needs root)";
  }
  auto report = pack_model(open(), mount_point / "out.qpk", options_);
  auto left = list_directory(mount_point);
  EXPECT_EQ(umount(mount_point.c_str()), 0);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kNoSpace);
  EXPECT_TRUE(left.empty());
}

TEST_F(PackFailure, OptionsOutsideTheirRange) {
  auto expect_refused = [&](auto change) {
    PackOptions options = test_options();
    change(options);
    auto report = pack_model(open(), output_, options);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::kInvalidArgument) << report.error().message();
  };
  expect_refused([](PackOptions& o) { o.alignment = 2048; });
  expect_refused([](PackOptions& o) { o.alignment = 12288; });
  expect_refused([](PackOptions& o) { o.alignment = 131072; });
  expect_refused([](PackOptions& o) { o.chunk_bytes = (64u << 10) - 1; });
  expect_refused([](PackOptions& o) { o.chunk_bytes = (16u << 20) + 1; });
  expect_refused([](PackOptions& o) { o.extent_bytes = (1u << 20) - 1; });
  expect_refused([](PackOptions& o) { o.extent_bytes = (8u << 20) + 1; });
  expect_refused([](PackOptions& o) { o.filter = static_cast<FilterId>(200); });
  expect_refused([](PackOptions& o) { o.codec = static_cast<CodecId>(63); });
  expect_refused([](PackOptions& o) { o.zstd_level = 23; });
  expect_refused([](PackOptions& o) { o.zstd_level = -8; });
  expect_refused([](PackOptions& o) { o.gain_min = 1.0; });
  expect_refused([](PackOptions& o) { o.gain_min = -0.1; });
  expect_refused([](PackOptions& o) { o.gain_min = std::numeric_limits<double>::quiet_NaN(); });
  expect_refused([](PackOptions& o) { o.threads = 1025; });
  expect_only_input();
}

TEST_F(PackFailure, ProgressIsMonotonicAndComplete) {
  uint64_t last = 0;
  uint64_t total = 0;
  auto on_progress = [&](const PackProgress& progress) {
    EXPECT_GE(progress.bytes_done, last);
    last = progress.bytes_done;
    total = progress.bytes_total;
  };
  ASSERT_TRUE(pack_model(open(), output_, options_, on_progress).ok());
  EXPECT_EQ(last, 2u << 20);
  EXPECT_EQ(total, 2u << 20);
}

}  // namespace
}  // namespace qload::test
