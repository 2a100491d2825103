// The engine against the formulas: every encoding, format, way of loading and number of threads.
#include "tools/qrun/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "format/base/format_text.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tests/qrun/engine_fixture.h"
#include "tests/qrun/llama_fixture.h"
#include "tests/qrun/llama_reference.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"
#include "tools/qrun/model_facts.h"
#include "tools/qrun/packed_rows.h"

namespace qload::qrun {
namespace {

using encode::Encoding;
using test::Engine;
using test::pack_file;
using test::some_tokens;
using test::TempDirectory;

// Of a small budget.
constexpr uint64_t kStagingBytes = 1u << 20;

class EveryEncoding : public ::testing::TestWithParam<std::tuple<Encoding, bool>> {};

TEST_P(EveryEncoding, LogitsAreTheFormulas) {
  const auto [encoding, tied] = GetParam();
  const test::LlamaFixture llama = test::make_llama(encoding, tied, 11);
  const std::vector<uint32_t> tokens = some_tokens(70, llama.dense.vocabulary);
  const std::vector<double> expected = test::reference_logits(llama.dense, tokens);
  const bool is_ggml = encoding == Encoding::kQ8_0 || encoding == Encoding::kQ4_0;
  const bool is_int8 = encode::has_scales(encoding);
  const TempDirectory directory;
  std::vector<std::string> files;
  if (!is_ggml) {
    test::write_file(directory / "model.safetensors", test::as_safetensors(llama));
    files.emplace_back("model.safetensors");
  }
  if (!is_int8) {
    test::write_file(directory / "model.gguf", test::as_gguf(llama));
    files.emplace_back("model.gguf");
  }
  for (const std::string& file : files) {
    SCOPED_TRACE(file);
    test::expect_near(test::expect_same_logits(directory / file, tokens), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Qrun, EveryEncoding,
    ::testing::Combine(::testing::Values(Encoding::kF32, Encoding::kF16, Encoding::kBF16,
                                         Encoding::kInt8Tensor, Encoding::kInt8Channel,
                                         Encoding::kQ8_0, Encoding::kQ4_0),
                       ::testing::Bool()),
    [](const auto& tested) {
      return std::string(encode::encoding_name(std::get<0>(tested.param))) +
             (std::get<1>(tested.param) ? "_tied" : "");
    });

class TransformerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    llama_ = test::make_llama(Encoding::kInt8Channel, false, 5);
    test::write_file(path(), test::as_safetensors(llama_));
  }
  std::filesystem::path path() const { return directory_ / "model.safetensors"; }
  TempDirectory directory_;
  test::LlamaFixture llama_;
};

TEST_F(TransformerTest, OneByOneIsAsTogether) {
  const std::vector<uint32_t> tokens = some_tokens(20, llama_.dense.vocabulary);
  Engine together(path(), {});
  Engine single(path(), {.mode = WeightMode::kRead, .thread_count = 2});
  std::vector<float> last;
  for (const uint32_t token : tokens) last = single.logits({&token, 1});
  EXPECT_EQ(together.logits(tokens), last);
  EXPECT_EQ(together.transformer().pass_count(), 1u);
  EXPECT_EQ(single.transformer().pass_count(), 20u);
  EXPECT_EQ(single.transformer().position(), 20u);
}

TEST_F(TransformerTest, ReadingCountsEachPass) {
  const std::vector<uint32_t> tokens = some_tokens(3, llama_.dense.vocabulary);
  Engine engine(path(), {.mode = WeightMode::kRead});
  for (const uint32_t token : tokens) engine.logits({&token, 1});
  uint64_t layer_bytes = 0;
  for (const test::EncodedTensor& tensor : llama_.tensors) {
    if (tensor.name != "model.embed_tokens.weight") layer_bytes += tensor.bytes.size();
  }
  // What follows the last token is read ahead; runs add a block at either end.
  EXPECT_GE(engine.source().statistics().bytes_read, 3 * layer_bytes);
  EXPECT_LE(engine.source().statistics().bytes_read, 5 * layer_bytes + 16 * 8192);
  EXPECT_EQ(engine.source().statistics().resident_bytes, 0u);
}

TEST_F(TransformerTest, RefusesTokensItCannotRun) {
  Engine engine(path(), {}, {.position_count = 4});
  const uint32_t unknown[] = {llama_.dense.vocabulary};
  const auto result = engine.transformer().forward(unknown);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message(), "token 50 is not in the vocabulary of 50");
  EXPECT_FALSE(engine.transformer().forward({}).ok());
  EXPECT_EQ(engine.logits(some_tokens(4, 50)).size(), 50u);
  const auto full = engine.transformer().forward(some_tokens(1, 50));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ErrorCode::kInvalidArgument);
}

// A file that shrinks between passes ends the pass with an error, not with wrong logits.
TEST_F(TransformerTest, TruncatedFileIsAnError) {
  Engine engine(path(), {.mode = WeightMode::kRead});
  const uint32_t token[] = {1};
  ASSERT_TRUE(engine.transformer().forward(token).ok());
  std::filesystem::resize_file(path(), 4096);
  Result<std::span<const float>> result = engine.transformer().forward(token);
  // The step that was read ahead may still be whole.
  if (result.ok()) result = engine.transformer().forward(token);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(result.error().message().find("model.safetensors"), std::string::npos);
}

/// A container whose weights nobody has opened yet.
class PackedTest : public TransformerTest {
 protected:
  void SetUp() override {
    TransformerTest::SetUp();
    pack_file(path(), container());
    auto file = ModelFile::open(container());
    ASSERT_TRUE(file.ok());
    file_.emplace(std::move(*file));
    auto facts = read_model_facts(*file_, {});
    ASSERT_TRUE(facts.ok());
    auto plan = plan_weights(file_->tensors(), facts->config);
    ASSERT_TRUE(plan.ok());
    plan_ = std::move(*plan);
  }
  std::filesystem::path container() const { return directory_ / "model.qpk"; }
  ErrorCode refusal(const WeightOptions& options) const {
    const auto source = open_weights(*file_, plan_, options);
    EXPECT_FALSE(source.ok());
    return source.ok() ? ErrorCode::kIo : source.error().code();
  }

  std::optional<ModelFile> file_;
  WeightPlan plan_;
};

TEST_F(PackedTest, EachFormHasItsModes) {
  EXPECT_EQ(refusal({.mode = WeightMode::kMapped}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({.mode = WeightMode::kRead}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({.mode = WeightMode::kStreamed}), ErrorCode::kInvalidArgument) << "no budget";
  EXPECT_EQ(refusal({.mode = WeightMode::kStreamed, .budget_bytes = 1'000'000}),
            ErrorCode::kBudgetTooSmall);
  const auto plain = ModelFile::open(path());
  ASSERT_TRUE(plain.ok());
  for (const WeightMode mode : {WeightMode::kStreamed, WeightMode::kPacked}) {
    const auto source = open_weights(*plain, plan_, {.mode = mode, .budget_bytes = 1u << 30});
    ASSERT_FALSE(source.ok());
    EXPECT_EQ(source.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(source.error().message().find("is not packed"), std::string::npos);
  }
}

TEST_F(PackedTest, AStreamReadsWhatIsNotResident) {
  const auto run_passes = [&](uint64_t beyond_staging) {
    Engine engine(container(),
                  {.mode = WeightMode::kStreamed, .budget_bytes = kStagingBytes + beyond_staging});
    for (const uint32_t token : some_tokens(5, llama_.dense.vocabulary)) engine.logits({&token, 1});
    return engine.source().statistics();
  };
  const WeightStatistics tight = run_passes(130'000);
  EXPECT_EQ(tight.stream.budget_bytes, kStagingBytes + 130'000);
  EXPECT_LE(tight.resident_bytes + tight.stream.portion_bytes, 130'000u);
  EXPECT_EQ(tight.last_pass.pass, 4u);
  EXPECT_GE(tight.last_pass.bytes_read, tight.stream.storage_bytes_per_pass);
  EXPECT_GT(tight.stream.storage_bytes_per_pass, 10'000u);
  EXPECT_GE(tight.bytes_read, 5 * tight.stream.storage_bytes_per_pass);
  const WeightStatistics ample = run_passes(10'000'000);
  EXPECT_EQ(ample.stream.storage_bytes_per_pass, 0u);
  EXPECT_EQ(ample.last_pass.bytes_read, 0u);
}

TEST_F(PackedTest, ACancelledStreamSaysSo) {
  std::stop_source stop;
  Engine engine(container(), {.mode = WeightMode::kStreamed,
                              .budget_bytes = kStagingBytes + 130'000,
                              .stop = stop.get_token()});
  EXPECT_FALSE(engine.logits(some_tokens(1, 50)).empty());
  stop.request_stop();
  const auto result = engine.transformer().forward(some_tokens(1, 50));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kCancelled);
}

// Each chunk is decoded once in a pass, whatever the number of threads: tasks end where they do.
TEST(PackedRowsTest, AreCutWhereChunksBegin) {
  const TempDirectory directory;
  std::vector<std::byte> bytes(2000 * 300);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * i % 7);
  test::write_file(directory / "one.safetensors",
                   test::SafetensorsBuilder().add("one", "I8", {2000, 300}, bytes).build());
  auto source = open_model_source(directory / "one.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  PackOptions options;
  options.chunk_bytes = 64u << 10;
  ASSERT_TRUE(pack_model(*source, directory / "one.qpk", options).ok());
  const auto model = Model::open(directory / "one.qpk");
  auto loader = Loader::create();
  ASSERT_TRUE(model.ok() && loader.ok());
  const auto weights = loader->load_packed(*model);
  ASSERT_TRUE(weights.ok());
  CursorTeam cursors(2);
  const auto rows = PackedRows::open(*weights, model->tensors()[0], cursors);
  const auto cursor = RowCursor::open(*weights, "one");
  ASSERT_TRUE(rows.ok() && cursor.ok());
  const std::span<const uint64_t> cuts = rows->cuts();
  ASSERT_GT(cuts.size(), 5u);
  EXPECT_EQ(cuts.front(), 0u);
  EXPECT_EQ(cuts.back(), 2000u);
  EXPECT_TRUE(std::ranges::is_sorted(cuts, std::less_equal<>()));
  for (const uint64_t cut : cuts) EXPECT_EQ(cursor->chunk_start_row(cut), cut);
}

}  // namespace
}  // namespace qload::qrun
