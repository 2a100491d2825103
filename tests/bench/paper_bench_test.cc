// The paper's table: its quoted cells, its models, plans and charts, and a tiny size of the whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/load/model_forms.h"
#include "bench/paper/model_room.h"
#include "bench/paper/paper_benchmark.h"
#include "bench/paper/paper_model.h"
#include "bench/paper/paper_rounds.h"
#include "bench/paper/paper_table6.h"
#include "bench/paper/stream_contenders.h"
#include "bench/paper/stream_plan.h"
#include "format/base/bytes.h"
#include "tests/support/test_files.h"
#include "tests/support/xml_check.h"

namespace qload::bench {
namespace {

using test::TempDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kProgram = std::string(QLOAD_BENCH_PATH) + " paper --table 6 ";
const std::string kQuiet = " > /dev/null 2>&1";

Result<PaperModel> tiny_model() { return describe_paper_model("tiny"); }

/// "tiny" as a file in `directory`.
std::filesystem::path write_tiny(const std::filesystem::path& directory) {
  const auto model = tiny_model();
  const auto path = directory / "model.safetensors";
  EXPECT_TRUE(model.ok() && make_paper_model(path, *model, 2, {}).ok());
  return path;
}

// Cells as they stand in the paper's text; the text's "41-55%" and "40-60%" bound what they give.
TEST(PaperTable, ReductionsFollowFromTheCells) {
  ASSERT_EQ(quoted_table6().size(), 4u);
  const QuotedModel* small = find_quoted("opt-1.3b");
  ASSERT_NE(small, nullptr);
  EXPECT_EQ(small->mmap_before_seconds, 1.02);
  EXPECT_NEAR(small->mmap_reduction(), 0.549, 0.001);
  EXPECT_NEAR(small->read_reduction(), 0.545, 0.001);
  for (const QuotedModel& quoted : quoted_table6()) {
    EXPECT_GE(std::lround(quoted.mmap_reduction() * 100), 41) << quoted.model;
    EXPECT_LE(std::lround(quoted.mmap_reduction() * 100), 55) << quoted.model;
    EXPECT_GE(std::lround(quoted.read_reduction() * 100), 40) << quoted.model;
    EXPECT_LE(std::lround(quoted.read_reduction() * 100), 60) << quoted.model;
    EXPECT_TRUE(describe_paper_model(std::string(quoted.model)).ok()) << quoted.model;
  }
  EXPECT_EQ(find_quoted("tiny"), nullptr);
}

TEST(PaperModel, IsRecognisedByItsValues) {
  TempDirectory directory;
  const auto model = tiny_model();
  ASSERT_TRUE(model.ok());
  const auto path = write_tiny(directory.path());
  EXPECT_EQ(find_paper_model(directory.path(), *model), path);
  // The same header and size, another weight.
  std::vector<std::byte> bytes = test::read_file(path);
  bytes.back() ^= std::byte{1};  // Of a row that is compared: the last of a weight.
  test::write_file(path, bytes);
  EXPECT_FALSE(holds_paper_model(path, *model));
  bytes.back() ^= std::byte{1};
  test::write_file(path, std::span(bytes).first(bytes.size() - 1));
  EXPECT_FALSE(holds_paper_model(path, *model));
  EXPECT_THAT(find_paper_model(directory.path(), *model).string(), IsEmpty());
  EXPECT_THAT(find_paper_model(directory / "absent", *model).string(), IsEmpty());
}

TEST(ModelRoom, SaysWhatIsMissing) {
  const RoomQuestion whole = {
      .plain_bytes = 10'000'000'000, .piece_bytes_max = 500'000'000, .compressed = true};
  RoomQuestion streamed = whole;
  streamed.compressed = false;
  streamed.stream_only = true;
  const Room needed = room_needed(whole);
  EXPECT_GT(needed.disk_bytes, 2 * whole.plain_bytes);
  EXPECT_GT(needed.memory_bytes, whole.plain_bytes);
  EXPECT_LT(room_needed(streamed).memory_bytes, 2'000'000'000u);
  RoomQuestion existing = whole;
  existing.plain_exists = true;
  EXPECT_EQ(room_needed(existing).disk_bytes + whole.plain_bytes, needed.disk_bytes);

  EXPECT_THAT(why_no_room(needed, needed), IsEmpty());
  const std::string disk =
      why_no_room(needed, {.disk_bytes = 5'000'000'000, .memory_bytes = needed.memory_bytes});
  EXPECT_THAT(disk, HasSubstr("5.0 GB are free"));
  EXPECT_THAT(disk, Not(HasSubstr("of memory")));
  const std::string both =
      why_no_room(needed, {.disk_bytes = 5'000'000'000, .memory_bytes = needed.memory_bytes - 1});
  EXPECT_THAT(both, HasSubstr("5.0 GB are free; needs 18.3 GB of memory"));
}

TEST(PaperReductions, ArePairedByRoundAndQuotedOnlyForThePapersRows) {
  const auto row = [](const char* name, bool plain, std::vector<double> seconds) {
    ContenderResult result{.name = name, .plain = plain};
    for (const double value : seconds) result.runs.push_back({.seconds = value});
    return result;
  };
  PaperResult result{.name = "opt-6.7b"};
  result.rows = {row("mmap-before", true, {2, 4, 8}), row("mmap-after", false, {1, 3, 6}),
                 row("read-before", true, {2, 2, 2}), row("odirect-uring", true, {1, 1, 1}),
                 row("qload", false, {0.5, 0.5, 0.75})};
  const auto reductions = reductions_of(result);
  ASSERT_EQ(reductions.size(), 4u);  // There is no read-after.
  EXPECT_EQ(reductions[0].row, "mmap-after");
  EXPECT_DOUBLE_EQ(reductions[0].share.median, 0.25);
  EXPECT_DOUBLE_EQ(reductions[0].share.max, 0.5);
  ASSERT_TRUE(reductions[0].quoted);
  EXPECT_DOUBLE_EQ(*reductions[0].quoted, 1 - 2.51 / 4.52);
  EXPECT_EQ(reductions[3].against, "odirect-uring");
  EXPECT_EQ(fastest_plain_row(result), "odirect-uring");
  EXPECT_EQ(fastest_plain_row({}), "");
  EXPECT_DOUBLE_EQ(reductions[3].share.median, 0.5);
  EXPECT_FALSE(reductions[3].quoted);
}

/// A packed model with its plan.
class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    auto forms = make_forms(write_tiny(directory_.path()),
                            {.packed = true, .scratch = directory_.path(), .threads = 2});
    ASSERT_TRUE(forms.ok()) << forms.error().message();
    forms_ = std::move(*forms);
    const auto packed = Model::open(forms_.model->packed);
    ASSERT_TRUE(packed.ok());
    auto plan = plan_stream(*packed, forms_.model->source);
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    plan_ = std::move(*plan);
    layer_count_ = packed->layer_count();
  }

  TempDirectory directory_;
  MadeForms forms_;
  StreamPlan plan_;
  uint32_t layer_count_ = 0;
};

TEST_F(StreamTest, EveryTensorIsInOnePieceAndItsPlacesDoNotOverlap) {
  EXPECT_EQ(layer_count_, 4u);
  EXPECT_GE(plan_.pieces.size(), layer_count_ + 2u);  // Embedding before, the rest after.
  std::set<std::string> names;
  const auto source = forms_.model->source.tensors();
  for (const StreamPiece& piece : plan_.pieces) {
    EXPECT_FALSE(piece.samples.empty());
    for (const bool aligned : {false, true}) {
      std::vector<std::pair<uint64_t, uint64_t>> places;
      for (const StreamTensor& tensor : piece.tensors) {
        const uint64_t place = aligned ? tensor.aligned_place : tensor.range_place;
        places.emplace_back(place, place + tensor.bytes);
      }
      std::ranges::sort(places);
      for (size_t i = 1; i < places.size(); ++i) {
        EXPECT_LE(places[i - 1].second, places[i].first);
      }
      EXPECT_LE(places.back().second, plan_.arena_bytes);
    }
    for (const StreamTensor& tensor : piece.tensors) {
      EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
      EXPECT_EQ(source[tensor.source].name, tensor.name);
      EXPECT_EQ(source[tensor.source].bytes, tensor.bytes);
    }
    for (const StreamRange& range : piece.ranges) {
      EXPECT_EQ(range.offset % 4096, 0u);
      EXPECT_EQ(range.place % 4096, 0u);
    }
  }
  EXPECT_EQ(names.size(), source.size());
  EXPECT_LT(plan_.arena_bytes, forms_.model->plain_bytes / 2);
}

TEST_F(StreamTest, EachWayLoadsEveryByte) {
  for (const StreamKind& kind : all_stream_kinds()) {
    SCOPED_TRACE(kind.row);
    const auto contender = kind.make(*forms_.model, plan_, {.threads = 2, .huge_pages = false});
    contender->compare_everything(true);
    const Status loaded = contender->load();
    if (!loaded.ok() && loaded.error().code() == ErrorCode::kUnsupported) {
      EXPECT_EQ(kind.row, "odirect-uring") << loaded.error().message();
      continue;
    }
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    contender->release();
    contender->compare_everything(false);
    EXPECT_TRUE(contender->load().ok());
  }
}

TEST_F(StreamTest, WrongBytesAreFoundBySamplesAndByComparison) {
  StreamPlan wrong = plan_;
  wrong.pieces.back().samples.back().checksum ^= 1;
  for (const StreamKind& kind : all_stream_kinds()) {
    if (kind.row == "odirect-uring") continue;  // Not everywhere.
    const Status loaded =
        kind.make(*forms_.model, wrong, {.threads = 2, .huge_pages = false})->load();
    ASSERT_FALSE(loaded.ok()) << kind.row;
    EXPECT_EQ(loaded.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(std::string(loaded.error().message()), HasSubstr("wrong answer"));
  }
  const StreamPiece& piece = plan_.pieces.front();
  const std::vector<std::byte> zeros(plan_.arena_bytes);
  const auto compared = compare_piece(piece, forms_.model->source, [&](const StreamTensor& tensor) {
    return std::span<const std::byte>(zeros).first(tensor.bytes);
  });
  EXPECT_FALSE(compared.ok());
}

TEST(PaperBenchmark, RefusesARateWithoutRootAndUnknownModels) {
  EXPECT_TRUE(check_rate_allowed(0, 1000).ok());
  EXPECT_TRUE(check_rate_allowed(300'000'000, 0).ok());
  const Status refused = check_rate_allowed(300'000'000, 1000);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("needs root"));

  TempDirectory directory;
  InterruptGuard interrupts;
  const auto unknown =
      run_paper_benchmark({.models = {"gpt"}, .directory = directory.path()}, interrupts);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.error().message()), HasSubstr("opt-6.7b"));
  EXPECT_FALSE(
      run_paper_benchmark({.models = {"tiny"}, .directory = directory / "absent"}, interrupts)
          .ok());
  EXPECT_NE(std::system((kProgram + "--runs 0" + kQuiet).c_str()), 0);
  EXPECT_NE(std::system((std::string(QLOAD_BENCH_PATH) + " paper" + kQuiet).c_str()), 0);
  EXPECT_NE(std::system((std::string(QLOAD_BENCH_PATH) + " paper --table 5" + kQuiet).c_str()), 0);
}

/// Runs the command on "tiny" and returns its JSON; checks what all its reports have in common.
nlohmann::json run_tiny(const TempDirectory& directory, const std::string& options) {
  const auto path = [&](const char* name) { return (directory / name).string(); };
  const std::string command = kProgram + "--models tiny --runs 2 --threads 2 --dir " +
                              directory.path().string() + " --json " + path("out.json") +
                              " --markdown " + path("out.md") + " --svg " + path("out.svg") + " " +
                              options + " > " + path("out.txt");
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  const std::string svg(as_text(test::read_file(directory / "out.svg")));
  EXPECT_EQ(test::find_xml_error(svg), "");
  EXPECT_THAT(svg, HasSubstr("load time, seconds"));
  for (const char* file : {"out.txt", "out.md"}) {
    const std::string report(as_text(test::read_file(directory / file)));
    EXPECT_THAT(report, HasSubstr("qload against read-before")) << file;
    EXPECT_THAT(report, HasSubstr("i7-9700")) << file;
    EXPECT_THAT(report, HasSubstr("19.17")) << file;
  }
  return nlohmann::json::parse(std::ifstream(directory / "out.json"));
}

void check_rows(const nlohmann::json& model, const std::vector<std::string>& names) {
  ASSERT_EQ(model["rows"].size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const auto& row = model["rows"][i];
    SCOPED_TRACE(row.dump());
    EXPECT_EQ(row["name"], names[i]);
    if (row.contains("left_out")) {  // Only what needs O_DIRECT or io_uring may be.
      EXPECT_EQ(row["name"], "odirect-uring");
      continue;
    }
    EXPECT_EQ(row["runs"].size(), 2u);
    EXPECT_TRUE(row["seconds"].contains("median"));
    EXPECT_TRUE(row["runs"][0].contains("peak_bytes"));
  }
}

TEST(PaperBenchmark, TinySizeOfTheCommand) {
  TempDirectory directory;
  const auto json = run_tiny(directory, "");
  EXPECT_EQ(json["table"], 6);
  EXPECT_EQ(json["method"]["stream_only"], false);
  const auto& model = json["measured"][0];
  check_rows(model,
             {"mmap-before", "mmap-after", "read-before", "read-after", "odirect-uring", "qload"});
  EXPECT_EQ(model["name"], "tiny");
  EXPECT_LT(model["packed_bytes"], model["plain_bytes"]);
  EXPECT_LT(model["compressed_bytes"], model["plain_bytes"]);
  EXPECT_FALSE(model["reused"]);
  EXPECT_EQ(model["load_time_saved"][0]["row"], "mmap-after");
  EXPECT_FALSE(model["load_time_saved"][0].contains("quoted"));
  EXPECT_TRUE(model["fastest_plain_row"].is_string());
  EXPECT_EQ(json["quoted"]["models"][3]["mmap_before_seconds"], 19.17);
  // Nothing is left behind.
  EXPECT_THAT(test::list_directory(directory.path()),
              ElementsAre("out.json", "out.md", "out.svg", "out.txt"));
}

TEST(PaperBenchmark, StreamsAndKeepsAndReusesTheModel) {
  TempDirectory directory;
  auto json = run_tiny(directory, "--stream-only --keep");
  EXPECT_EQ(json["method"]["stream_only"], true);
  check_rows(json["measured"][0], {"mmap-before", "read-before", "odirect-uring", "qload"});
  EXPECT_GE(json["measured"][0]["piece_count"], 6);
  EXPECT_EQ(json["measured"][0]["compressed_bytes"], 0);
  EXPECT_THAT(test::list_directory(directory.path()),
              ElementsAre("out.json", "out.md", "out.svg", "out.txt", "tiny"));
  EXPECT_THAT(test::list_directory(directory / "tiny"),
              ElementsAre("model.qpk", "tiny.safetensors"));
  json = run_tiny(directory, "--keep");
  EXPECT_TRUE(json["measured"][0]["reused"]);
  EXPECT_THAT(test::list_directory(directory / "tiny"),
              ElementsAre("compressed.0", "model.qpk", "tiny.safetensors"));
  // A file that was there is not removed by a run that keeps nothing.
  std::filesystem::rename(directory / "tiny" / "tiny.safetensors", directory / "mine.safetensors");
  std::filesystem::remove_all(directory / "tiny");
  json = run_tiny(directory, "");
  EXPECT_TRUE(json["measured"][0]["reused"]);
  EXPECT_THAT(test::list_directory(directory.path()),
              ElementsAre("mine.safetensors", "out.json", "out.md", "out.svg", "out.txt"));
}

}  // namespace
}  // namespace qload::bench
