// Calibration: that it finishes, checks its answers, leaves nothing behind and writes a profile
// that qpack takes. Never how fast anything was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/calibrate/load_prediction.h"
#include "bench/calibrate/scratch_file.h"
#include "bench/load/storage_reader.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"
#include "tools/profile/device_profile.h"

namespace qload::bench {
namespace {

using test::TempDirectory;

/// The exit code of `qload_bench arguments`; -1 when a signal ended it.
int exit_code_of(const std::string& arguments) {
  const std::string command = std::string(QLOAD_BENCH_PATH) + " " + arguments + " > /dev/null 2>&1";
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Calibrate, QuickRunWritesAProfileThatPackTakes) {
  TempDirectory directory;
  const std::string profile_path = (directory / "device.json").string();
  const std::string command =
      std::string(QLOAD_BENCH_PATH) + " calibrate --quick --file-size 8M --name here --dir " +
      directory.path().string() + " -o " + profile_path + " > " + (directory / "out.txt").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto profile = tools::find_profile(profile_path);
  ASSERT_TRUE(profile.ok()) << profile.error().message();
  EXPECT_EQ(profile->name, "here");
  EXPECT_TRUE(check_device(profile->device).ok());
  EXPECT_GT(profile->device.lane_huffman_rate, 0);
  const auto json = nlohmann::json::parse(std::ifstream(profile_path));
  const auto& measurements = json["measurements"];
  EXPECT_EQ(measurements["storage"]["file_bytes"], 8 << 20);
  EXPECT_FALSE(measurements["storage"]["sweep"].empty());
  size_t used = 0;
  for (const auto& row : measurements["decode"]) {
    EXPECT_GT(row["bytes_per_second"]["median"], 0);
    used += row["contender"].get<std::string>().starts_with("lane-") && row["used"] == true ? 1 : 0;
  }
  EXPECT_GE(used, 6u) << "the kernel of a load here, on every kind of weights";
  // Nothing but what was asked for is left.
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("device.json", "out.txt"));

  test::write_file(directory / "m.safetensors", test::small_int8_model(1));
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  PackOptions options;
  options.target = profile->device;
  EXPECT_TRUE(pack_model(*source, directory / "m.qpk", options).ok());
}

TEST(Calibrate, RefusesWhatItCannotDo) {
  TempDirectory directory;
  const std::string here = " --quick --dir " + directory.path().string();
  // docs/cli.md, "Exit codes": 2 is wrong usage, 5 something that is not there.
  EXPECT_EQ(exit_code_of("calibrate --quick --dir " + (directory / "absent").string()), 5);
  EXPECT_EQ(exit_code_of("calibrate --throttle 0" + here), 2);
  EXPECT_EQ(exit_code_of("calibrate --threads 5000" + here), 2);
  EXPECT_EQ(exit_code_of("calibrate --file-size 0" + here), 2);
  EXPECT_EQ(exit_code_of("calibrate --name " + std::string(33, 'n') + here), 2);
  EXPECT_EQ(exit_code_of("predict " + (directory / "absent.qpk").string() + " --target emmc"), 5);
  EXPECT_EQ(exit_code_of("calibrate --help"), 0);
  EXPECT_EQ(exit_code_of("predict --help"), 0);
  EXPECT_TRUE(test::list_directory(directory.path()).empty());
}

TEST(Calibrate, AFileTooSmallIsWrongUsage) {
  TempDirectory directory;
  const std::string said = (directory / "said").string();
  const std::string command = std::string(QLOAD_BENCH_PATH) + " calibrate --file-size 1K --dir " +
                              directory.path().string() + " 2> " + said;
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  const auto bytes = test::read_file(said);
  EXPECT_THAT(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
              testing::HasSubstr("--file-size is 1024 bytes; expected at least 4194304"));
}

// Where a sandbox refuses io_uring and the file system O_DIRECT, the measurement goes on and says
// so.
TEST(Calibrate, GoesOnWithoutIoUringAndDirectReads) {
  TempDirectory directory;
  const std::string command = std::string(QLOAD_REFUSE_PATH) + " --uring EPERM --direct -- " +
                              QLOAD_BENCH_PATH + " calibrate --quick --file-size 8M --json --dir " +
                              directory.path().string() + " > " + (directory / "out.json").string();
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 125)
    GTEST_SKIP() << "nothing can be refused here";
  ASSERT_EQ(status, 0);
  const auto storage =
      nlohmann::json::parse(std::ifstream(directory / "out.json"))["measurements"]["storage"];
  EXPECT_EQ(storage["direct"], false);
  EXPECT_EQ(storage["method"], "pread, buffered");
  EXPECT_GT(storage["sequential"]["median"], 0);
}

TEST(Calibrate, AnInterruptLeavesNothing) {
  TempDirectory directory;
  const std::string command = std::string("timeout --preserve-status -s INT 3 ") +
                              QLOAD_BENCH_PATH + " calibrate --file-size 512M --dir " +
                              directory.path().string() + " > /dev/null 2>&1";
  // Whether there was something to leave: the scratch directory, seen while calibrate runs.
  bool began = false;
  std::jthread watcher([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && !began) {
      began = !test::list_directory(directory.path()).empty();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const int status = std::system(command.c_str());
  watcher.request_stop();
  watcher.join();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130) << status;
  EXPECT_TRUE(began);
  EXPECT_TRUE(test::list_directory(directory.path()).empty());
}

TEST(Predict, ComparesALoadWithItsPrediction) {
  TempDirectory directory;
  test::write_file(directory / "m.safetensors", test::small_int8_model(1));
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  ASSERT_TRUE(pack_model(*source, directory / "m.qpk", {}).ok());
  InterruptGuard interrupts;
  const auto checked = check_prediction(
      *tools::find_built_in_profile("nvme3"),
      {.container = directory / "m.qpk", .throttle_rates = {0}, .runs = 2}, interrupts);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  ASSERT_EQ(checked->size(), 1u);
  uint64_t tensor_bytes = 0;
  for (const SourceTensor& tensor : source->tensors()) tensor_bytes += tensor.bytes;
  EXPECT_EQ((*checked)[0].statistics.bytes_decoded, tensor_bytes);
  const std::string out = (directory / "out.json").string();
  const std::string command = std::string(QLOAD_BENCH_PATH) + " predict " +
                              (directory / "m.qpk").string() +
                              " --target nvme3 --runs 1 --json > " + out;
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(nlohmann::json::parse(std::ifstream(out))["loads"].size(), 1u);
}

TEST(ScratchFile, IsAsLargeAsAskedAndReads) {
  TempDirectory directory;
  const auto bytes = write_scratch_file(directory / "scratch", (9u << 20) + 1);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  EXPECT_EQ(*bytes, 8u << 20);
  EXPECT_EQ(test::read_file(directory / "scratch").size(), *bytes);
  const auto reader = StorageReader::open(directory / "scratch", 1);
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ((*reader)->file_bytes(), *bytes);
  for (const ReadShape shape : {ReadShape{256u << 10, 4}, ReadShape{4u << 20, 16}}) {
    const auto rate = (*reader)->rate(shape, 0);
    ASSERT_TRUE(rate.ok());
    EXPECT_GT(*rate, 0);
  }
  EXPECT_TRUE((*reader)->read_seconds(4096, 4096).ok());
  EXPECT_TRUE((*reader)->cached_rate(2).ok());
  const auto small = write_scratch_file(directory / "small", kScratchBytesMin - 1);
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(StorageReader::open(directory / "absent", 1).ok());
}

}  // namespace
}  // namespace qload::bench
