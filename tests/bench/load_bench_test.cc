// The load benchmark: its parts, and a tiny size of the whole. No time is asserted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/load/bench_report.h"
#include "bench/load/cold_cache.h"
#include "bench/load/compressed_file.h"
#include "bench/load/contender.h"
#include "bench/load/direct_read.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/load_benchmark.h"
#include "bench/load/load_stages.h"
#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "bench/load/process_usage.h"
#include "bench/load/spread.h"
#include "bench/load/throttle.h"
#include "bench/load/timed_run.h"
#include "format/base/bytes.h"
#include "format/codec/codec.h"
#include "tests/support/test_files.h"

namespace qload::bench {
namespace {

using test::gaussian_int8;
using test::TempDirectory;

// A safetensors file of two INT8 tensors of `rows` by 1000 and one of none.
std::vector<std::byte> tiny_model(size_t rows, uint64_t seed) {
  const size_t bytes = rows * 1000;
  const std::string shape = "[" + std::to_string(rows) + ",1000]";
  const auto range = [](size_t from, size_t to) {
    return "[" + std::to_string(from) + "," + std::to_string(to) + "]";
  };
  std::string header = R"({"layers.0.a":{"dtype":"I8","shape":)" + shape + R"(,"data_offsets":)" +
                       range(0, bytes) + R"(},"layers.1.b":{"dtype":"I8","shape":)" + shape +
                       R"(,"data_offsets":)" + range(bytes, 2 * bytes) +
                       R"(},"empty":{"dtype":"I8","shape":[0],"data_offsets":)" +
                       range(2 * bytes, 2 * bytes) + "}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::vector<std::byte> data = gaussian_int8(2 * bytes, 10, seed);
  std::vector<std::byte> file(sizeof(uint64_t) + header.size() + data.size());
  store_le(file.data(), uint64_t{header.size()});
  std::copy_n(as_byte_span(header).begin(), header.size(), file.begin() + sizeof(uint64_t));
  std::copy(data.begin(), data.end(), file.end() - static_cast<ptrdiff_t>(data.size()));
  return file;
}

TEST(SpreadTest, MedianMinMax) {
  EXPECT_EQ(spread_of({}).median, 0);
  EXPECT_EQ(spread_of({3}).median, 3);
  EXPECT_EQ(spread_of({4, 1}).median, 2.5);
  const Spread spread = spread_of({5, 1, 9});
  EXPECT_EQ(spread.median, 5);
  EXPECT_EQ(spread.min, 1);
  EXPECT_EQ(spread.max, 9);
  EXPECT_EQ(median_position({5, 1, 9}), 0u);
  EXPECT_EQ(median_position({9, 1, 5, 7}), 2u);
}

TEST(ParallelTest, RunsEveryNumberAndReturnsTheLowestError) {
  std::atomic<uint32_t> sum{0};
  EXPECT_TRUE(run_parallel(4, [&](uint32_t number) -> Status {
                sum += number;
                return Ok{};
              }).ok());
  EXPECT_EQ(sum, 6u);
  const Status failed = run_parallel(4, [](uint32_t number) -> Status {
    if (number < 2) return Ok{};
    return Error(ErrorCode::kIo, std::to_string(number));
  });
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(), "2");
}

TEST(ThrottleTest, FindsTheControllerInMountinfo) {
  EXPECT_TRUE(find_io_controller("").mount.empty());
  const std::string v2 = "30 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  const std::string v1 = "33 31 0:30 / /cg/blkio rw - cgroup cgroup rw,blkio\n";
  const std::string cpu = "34 31 0:31 / /cg/cpu rw shared:1 - cgroup cgroup rw,cpu\n";
  EXPECT_TRUE(find_io_controller(cpu).mount.empty());
  EXPECT_EQ(find_io_controller(cpu + v2).mount, "/sys/fs/cgroup");
  EXPECT_TRUE(find_io_controller(cpu + v2).version_2);
  EXPECT_EQ(find_io_controller(v2 + cpu + v1).mount, "/cg/blkio");
  EXPECT_FALSE(find_io_controller(v2 + cpu + v1).version_2);
}

TEST(ThrottleTest, RefusesAFileSystemWithoutADisk) {
  const auto disk = find_disk("/proc/self");
  ASSERT_FALSE(disk.ok());
  EXPECT_EQ(disk.error().code(), ErrorCode::kUnsupported);
}

// One after the other in one place, as a sweep sets them.
TEST(ThrottleTest, LeavesNothingForTheNextToMeet) {
  TempDirectory directory;
  InterruptGuard interrupts;
  for (const uint64_t rate : {uint64_t{40'000'000}, uint64_t{80'000'000}}) {
    SCOPED_TRACE(rate);
    const auto throttle = Throttle::create(directory.path(), rate, interrupts);
    if (!throttle.ok()) {
      const std::string why(throttle.error().message());
      EXPECT_THAT(why, testing::Not(testing::HasSubstr("exists")));
      GTEST_SKIP() << "no throttle here (it needs root, a disk, and a machine at rest): " << why;
    }
    EXPECT_TRUE((*throttle)->drain().ok());
    EXPECT_THAT(test::list_directory(directory.path()), testing::IsEmpty());
  }
}

TEST(CompressedFileTest, DecodesToItsInput) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{kFrameBytes} - 1, size_t{kFrameBytes},
                             size_t{kFrameBytes} + 1, 3 * size_t{kFrameBytes} + 5}) {
    SCOPED_TRACE(bytes);
    TempDirectory directory;
    const auto input = gaussian_int8(bytes, 8, 7);
    test::write_file(directory / "in", input);
    const auto size = write_compressed_file(directory / "in", directory / "out", 3);
    ASSERT_TRUE(size.ok()) << size.error().message();
    const auto stored = test::read_file(directory / "out");
    ASSERT_EQ(stored.size(), *size);
    const auto index = parse_compressed_index(stored, stored.size());
    ASSERT_TRUE(index.ok()) << index.error().message();
    EXPECT_FALSE(parse_compressed_index(stored, stored.size() + 1).ok());
    std::vector<std::byte> decoded(index->decoded_bytes);
    const auto decoder = find_codec(CodecId::kZstd)->make_decoder();
    for (uint64_t frame = 0; frame < index->frame_ends.size(); ++frame) {
      const uint64_t begin = index->frame_begin(frame);
      const Status status = decoder->decode(
          std::span(stored).subspan(begin, index->frame_ends[frame] - begin),
          std::span(decoded).subspan(frame * kFrameBytes, index->frame_decoded_bytes(frame)));
      ASSERT_TRUE(status.ok()) << status.error().message();
    }
    EXPECT_EQ(decoded, input);
  }
}

// A contender whose answer can be spoilt.
class FakeContender : public Contender {
 public:
  explicit FakeContender(std::vector<std::byte> file) : file_(std::move(file)) {}
  std::vector<std::filesystem::path> files() const override { return {}; }
  Status load() override { return Ok{}; }
  std::span<const std::byte> tensor(uint32_t number) const override {
    const SourceTensor& place = source->tensors()[number];
    return std::span(file_).subspan(place.offset, place.bytes - cut);
  }
  void release() override {}

  const ModelSource* source = nullptr;
  uint64_t cut = 0;
  std::vector<std::byte> file_;
};

TEST(TimedRunTest, AWrongAnswerIsFound) {
  TempDirectory directory;
  const auto file = tiny_model(2000, 3);
  test::write_file(directory / "m.safetensors", file);
  auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok()) << source.error().message();
  auto sample = AnswerSample::create(*source);
  ASSERT_TRUE(sample.ok()) << sample.error().message();

  FakeContender contender(file);
  contender.source = &*source;
  EXPECT_TRUE(check_answer(contender, *source).ok());
  EXPECT_TRUE(time_load(contender, *source, *sample).ok());

  contender.file_.back() ^= std::byte{1};
  const Status spoilt = check_answer(contender, *source);
  ASSERT_FALSE(spoilt.ok());
  EXPECT_THAT(std::string(spoilt.error().message()), testing::HasSubstr("layers.1.b"));

  for (std::byte& byte : contender.file_) byte ^= std::byte{1};
  EXPECT_FALSE(time_load(contender, *source, *sample).ok());

  contender.file_ = file;
  contender.cut = 1;
  EXPECT_FALSE(sample->check(contender, *source).ok());
}

TEST(ProcessUsageTest, CountsPageFaults) {
  constexpr size_t kBytes = 8u << 20;
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto memory = FreshMemory::allocate(kBytes, false);
  ASSERT_TRUE(memory.ok()) << memory.error().message();
  const ProcessUsage before = usage_now();
  for (size_t offset = 0; offset < kBytes; offset += page_bytes) {
    static_cast<volatile std::byte*>(memory->bytes().data())[offset] = std::byte{1};
  }
  const ProcessUsage between = usage_between(before, usage_now());
  EXPECT_GE(between.minor_faults, kBytes / page_bytes);
  EXPECT_DOUBLE_EQ(between.cpu_seconds(), between.user_seconds + between.system_seconds);
  EXPECT_EQ(usage_between(before, before).minor_faults, 0u);
}

// Each figure has a median of its own; the stage that bound is that of the run with the median
// time.
TEST(LoadStagesTest, MediansOfEachFigure) {
  std::vector<RunSample> runs(3);
  for (size_t number = 0; number < runs.size(); ++number) {
    const auto value = static_cast<double>(number + 1);
    runs[number].seconds = value;
    runs[number].usage = {.user_seconds = 4 - value,
                          .system_seconds = 1,
                          .minor_faults = 10 * (number + 1),
                          .storage_read_bytes = 100 * (3 - number)};
    runs[number].statistics.emplace();
    runs[number].statistics->staging_wait_seconds = value / 10;
    runs[number].statistics->bound = number == 1 ? LoadStage::kDecode : LoadStage::kStorage;
  }
  const StageSummary summary = summarize_stages(runs, 500'000'000);
  EXPECT_EQ(summary.seconds, 2);
  EXPECT_EQ(summary.user_seconds, 2);
  EXPECT_EQ(summary.cpu_seconds_per_gb, 6);
  EXPECT_EQ(summary.minor_faults, 20);
  EXPECT_EQ(summary.storage_read_bytes, 200);
  EXPECT_EQ(summary.staging_wait_seconds, 0.2);
  EXPECT_EQ(summary.bound, LoadStage::kDecode);
  EXPECT_EQ(summarize_stages({}, 1).seconds, 0);
}

// A read that begins anywhere still reads each byte once.
TEST(DirectReadTest, GoesOnFromTheFront) {
  constexpr uint64_t kReadBytes = 64u << 10;
  TempDirectory directory;
  const auto content = gaussian_int8(5 * kReadBytes + 777, 10, 11);
  test::write_file(directory / "in", content);
  auto file = PlainFile::open(directory / "in");
  ASSERT_TRUE(file.ok()) << file.error().message();
  auto engine = make_pread_engine({.queue_depth = 4}, 2);
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  ASSERT_TRUE((*engine)->attach({.buffered = file->descriptor()}).ok());
  for (const uint64_t first : {uint64_t{0}, kReadBytes, 5 * kReadBytes}) {
    SCOPED_TRACE(first);
    std::vector<std::byte> memory(content.size());
    const auto read = read_directly(**engine, {.first = first,
                                               .bytes = content.size(),
                                               .memory = memory,
                                               .whole = true,
                                               .direct = false,
                                               .shape = {.read_bytes = kReadBytes, .depth = 4}});
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(*read, content.size());
    EXPECT_EQ(memory, content);
  }
}

TEST(ColdCacheTest, DropsAndFills) {
  TempDirectory directory;
  const std::vector<std::filesystem::path> files = {directory / "a", directory / "empty"};
  test::write_file(files[0], gaussian_int8(1000 * 1000, 10, 1));
  test::write_file(files[1], "");
  ASSERT_TRUE(fill_cache(files).ok());
  EXPECT_EQ(*cached_share(files), 1);
  ASSERT_TRUE(drop_cached(files, ColdMethod::kAdvise).ok());
  const double share = *cached_share(files);
  if (share != 0) GTEST_SKIP() << "this file system keeps its pages (tmpfs does): " << share;
}

TEST(LoadBenchmarkTest, RefusesAnUnknownContender) {
  InterruptGuard interrupts;
  const auto report = run_load_benchmark({.contenders = {"read-1", "telepathy"}}, interrupts);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(report.error().message()), testing::HasSubstr("telepathy"));
}

bool is_plain(const std::string& name) {
  return name.starts_with("read-")
             ? name != "read-after"
             : name == "odirect-uring" || (name.starts_with("mmap") && name != "mmap-after");
}

// The command itself, on a model of 4 MB with every contender.
TEST(LoadBenchmarkTest, TinySizeOfTheCommand) {
  TempDirectory directory;
  test::write_file(directory / "tiny.safetensors", tiny_model(2000, 5));
  std::string names;
  for (const ContenderKind& kind : all_contenders()) {
    if (kind.name == "qload-pinned") continue;  // Needs the right to lock memory.
    names += (names.empty() ? "" : ",") + std::string(kind.name);
  }
  const std::string command =
      std::string(QLOAD_BENCH_PATH) + " load " + (directory / "tiny.safetensors").string() +
      " --runs 2 --stages --roofline-seconds 0.01 --contenders " + names + " --json " +
      (directory / "out.json").string() + " --markdown " + (directory / "out.md").string() + " > " +
      (directory / "out.txt").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  EXPECT_EQ(json["model"]["tensor_count"], 3);
  EXPECT_EQ(json["model"]["tensor_bytes"], 4'000'000);
  ASSERT_EQ(json["temperatures"].size(), 2u);
  for (const auto& temperature : json["temperatures"]) {
    ASSERT_EQ(temperature["contenders"].size(), all_contenders().size() - 1);
    for (const auto& contender : temperature["contenders"]) {
      SCOPED_TRACE(contender.dump());
      if (contender["name"] == "memcpy-warm" && temperature["temperature"] == "cold") {
        EXPECT_THAT(contender["left_out"], testing::HasSubstr("warm only"));
        continue;
      }
      if (contender.contains("left_out")) {  // Only what needs O_DIRECT or io_uring may be.
        EXPECT_EQ(contender["name"], "odirect-uring");
        continue;
      }
      EXPECT_EQ(contender["runs"].size(), 2u);
      EXPECT_EQ(contender["plain"], is_plain(contender["name"]));
      for (const char* figure :
           {"user_seconds", "system_seconds", "minor_faults", "major_faults", "voluntary_switches",
            "involuntary_switches", "storage_read_bytes"}) {
        EXPECT_TRUE(contender["runs"][0].contains(figure)) << figure;
        EXPECT_TRUE(contender["stages"].contains(figure)) << figure;
      }
      EXPECT_TRUE(contender["stages"].contains("cpu_seconds_per_decoded_gb"));
      EXPECT_TRUE(contender["seconds"].contains("median"));
      EXPECT_EQ(contender["runs"][0].contains("statistics"),
                contender["name"].get<std::string>().starts_with("qload"));
    }
    EXPECT_EQ(temperature["roofline"]["pairs"].size(), 2u);
  }
  // Nothing is left behind.
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("out.json", "out.md", "out.txt", "tiny.safetensors"));
  const auto text_report = test::read_file(directory / "out.txt");
  EXPECT_THAT(as_text(text_report), testing::HasSubstr("mmap-after"));
  EXPECT_THAT(as_text(text_report), testing::HasSubstr("Where the time goes"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.md")),
              testing::HasSubstr("| contender | read wait | staging wait |"));
}

TEST(LoadBenchmarkTest, FailuresHaveExitCodes) {
  TempDirectory directory;
  const std::string program = std::string(QLOAD_BENCH_PATH) + " load ";
  const std::string quiet = " > /dev/null 2>&1";
  const auto run = [&](const std::string& arguments) {
    return WEXITSTATUS(std::system((program + arguments + quiet).c_str()));
  };
  EXPECT_EQ(run((directory / "absent").string()), 5);
  EXPECT_EQ(run((directory / "no" / "folder").string()), 5);
  EXPECT_EQ(run(""), 2);
  EXPECT_EQ(run("--runs none"), 2);
  EXPECT_EQ(run("--list"), 0);
  test::write_file(directory / "broken.safetensors", "{");
  EXPECT_EQ(run((directory / "broken.safetensors").string()), 3);
}

}  // namespace
}  // namespace qload::bench
