// Recorded activations against the inputs of the formulas, in every form of weights; and the file
// that they go to.
#include "tools/qrun/activation_recorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "format/base/bytes.h"
#include "format/input/model_source.h"
#include "tests/qrun/engine_fixture.h"
#include "tests/qrun/llama_fixture.h"
#include "tests/qrun/llama_reference.h"
#include "tests/qrun/quantized_fixture.h"
#include "tests/support/test_files.h"
#include "tools/qrun/activation_file.h"

namespace qload::qrun {
namespace {

using encode::Encoding;
using test::Engine;
using test::TempDirectory;

struct Recording {
  std::vector<float> logits;
  std::vector<ActivationRecorder::Linear> linears;
  uint64_t token_count = 0;
};

/// Runs `tokens` but the last together, then the last.
Recording record(const test::WeightForm& form, std::span<const uint32_t> tokens,
                 const RecordingOptions& options) {
  ActivationRecorder recorder(test::plan_of(form.path), options);
  Engine engine(form.path, form.options, {.position_count = 80, .recorder = &recorder});
  engine.logits(tokens.first(tokens.size() - 1));
  std::vector<float> logits = engine.logits(tokens.last(1));
  EXPECT_TRUE(recorder.check_finite().ok());
  return {logits, recorder.linears(), recorder.token_count()};
}

void expect_inputs(const std::vector<ActivationRecorder::Linear>& linears,
                   const test::ReferenceRun& run, const std::vector<size_t>& sampled) {
  ASSERT_EQ(linears.size(), run.inputs.size());
  for (const ActivationRecorder::Linear& linear : linears) {
    SCOPED_TRACE(linear.module);
    const auto& inputs = run.inputs.at(linear.module);
    const size_t columns = inputs[0].size();
    ASSERT_EQ(linear.largest_magnitudes.size(), columns);
    ASSERT_EQ(linear.samples.size(), sampled.size() * columns);
    double layer_largest = 0;
    for (size_t i = 0; i < columns; ++i) {
      double largest = 0;
      for (const auto& input : inputs) largest = std::max(largest, std::abs(input[i]));
      EXPECT_NEAR(linear.largest_magnitudes[i], largest, 2e-5 * largest + 1e-6) << i;
      layer_largest = std::max(layer_largest, largest);
    }
    for (size_t s = 0; s < sampled.size(); ++s) {
      for (size_t i = 0; i < columns; ++i) {
        EXPECT_NEAR(linear.samples[s * columns + i], inputs[sampled[s]][i], 1e-5 * layer_largest);
      }
    }
  }
}

TEST(ActivationRecorder, RecordsTheInputsOfTheFormulas) {
  for (const bool tied : {false, true}) {
    const test::LlamaFixture llama = test::make_llama(Encoding::kF32, tied, 51);
    const std::vector<uint32_t> tokens = test::some_tokens(70, llama.dense.vocabulary);
    const test::ReferenceRun run = test::run_reference(llama.dense, tokens);
    const TempDirectory directory;
    const auto path = directory / "model.safetensors";
    test::write_file(path, test::as_safetensors(llama));
    const std::vector<float> logits = Engine(path, {}).logits(tokens);
    const RecordingOptions options{.sample_count = 4, .token_count = 70};
    const Recording first = record({path, {}}, tokens, options);
    EXPECT_EQ(first.token_count, 70u);
    // Floors of 4 (token + 1) / 70 that grow: 17.5, 35, 52.5 and 70 tokens.
    expect_inputs(first.linears, run, {17, 34, 52, 69});
    for (const test::WeightForm& form : test::every_form(path)) {
      const Recording other = record(form, tokens, options);
      EXPECT_EQ(other.logits, logits) << "recording changes nothing";
      for (size_t i = 0; i < first.linears.size(); ++i) {
        EXPECT_EQ(other.linears[i].largest_magnitudes, first.linears[i].largest_magnitudes);
        EXPECT_EQ(other.linears[i].samples, first.linears[i].samples);
      }
    }
  }
}

// Under the names of transformers, whatever the file calls its tensors.
TEST(ActivationRecorder, GgufModels) {
  const test::LlamaFixture llama = test::make_llama(Encoding::kF32, false, 52);
  const std::vector<uint32_t> tokens = test::some_tokens(20, llama.dense.vocabulary);
  const TempDirectory directory;
  test::write_file(directory / "model.gguf", test::as_gguf(llama));
  expect_inputs(record({directory / "model.gguf", {}}, tokens, {}).linears,
                test::run_reference(llama.dense, tokens), {});
}

// Inputs as they come, not as the weights' quantization wants them.
TEST(ActivationRecorder, SmoothedModels) {
  test::LlamaFixture llama = test::make_llama(Encoding::kInt8Channel, false, 53);
  test::add_smoothing(llama, 54);
  const std::vector<uint32_t> tokens = test::some_tokens(20, llama.dense.vocabulary);
  const TempDirectory directory;
  const auto path = directory / "model.safetensors";
  test::write_file(path, test::as_safetensors(llama));
  expect_inputs(record({path, {}}, tokens, {}).linears, test::run_reference(llama.dense, tokens),
                {});
}

class RecorderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MatrixRole matrix;
    matrix.columns = 2;
    LayerRoles layer;
    for (MatrixRole* role : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                             &layer.gate, &layer.up, &layer.down}) {
      *role = matrix;
      role->module = "linear" + std::to_string(number_++);
    }
    plan_.layers.push_back(layer);
    plan_.output = matrix;
    plan_.output.module = "lm_head";
  }
  /// Tokens whose inputs are {token, -1} are recorded in two passes; the samples of lm_head.
  std::vector<float> sampled(const RecordingOptions& options, size_t run_count) {
    ActivationRecorder recorder(plan_, options);
    std::vector<float> inputs;
    for (size_t i = 0; i < run_count; ++i) {
      inputs.push_back(static_cast<float>(i));
      inputs.push_back(-1);
    }
    const size_t half = run_count / 2;
    recorder.record(plan_.output, 0, {inputs.data(), half, 2});
    recorder.record(plan_.output, half, {inputs.data() + 2 * half, run_count - half, 2});
    EXPECT_EQ(recorder.token_count(), run_count);
    std::vector<float> out;
    const auto& samples = recorder.linears().back().samples;
    for (size_t i = 0; i < samples.size(); i += 2) {
      out.push_back(samples[i]);
      EXPECT_EQ(samples[i + 1], -1);
    }
    return out;
  }
  int number_ = 0;
  WeightPlan plan_;
};

TEST_F(RecorderTest, SamplesAreSpreadEvenly) {
  EXPECT_EQ(sampled({.sample_count = 0, .token_count = 5}, 5), (std::vector<float>{}));
  EXPECT_EQ(sampled({.sample_count = 1, .token_count = 5}, 5), (std::vector<float>{4}));
  EXPECT_EQ(sampled({.sample_count = 2, .token_count = 5}, 5), (std::vector<float>{2, 4}));
  EXPECT_EQ(sampled({.sample_count = 4, .token_count = 5}, 5), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(sampled({.sample_count = 9, .token_count = 3}, 3), (std::vector<float>{0, 1, 2}));
  // An end token came early, or more tokens came than were said.
  EXPECT_EQ(sampled({.sample_count = 2, .token_count = 5}, 4), (std::vector<float>{2}));
  EXPECT_EQ(sampled({.sample_count = 2, .token_count = 5}, 9), (std::vector<float>{2, 4}));
}

TEST_F(RecorderTest, MemoryIsWhatRecordingTakes) {
  EXPECT_EQ(ActivationRecorder::memory_bytes(plan_, {}), 8 * 2 * 4u);
  EXPECT_EQ(ActivationRecorder::memory_bytes(plan_, {.sample_count = 3, .token_count = 10}),
            4 * 8 * 2 * 4u);
  EXPECT_EQ(ActivationRecorder::memory_bytes(plan_, {.sample_count = 1u << 20, .token_count = 2}),
            3 * 8 * 2 * 4u);
}

TEST_F(RecorderTest, InputsThatAreNotFinite) {
  for (const float odd : {HUGE_VALF, -std::nanf("")}) {
    ActivationRecorder recorder(plan_, {});
    const float inputs[] = {1, 2, 3, odd, 5, 6};
    recorder.record(plan_.layers[0].down, 0, {inputs, 3, 2});
    const TempDirectory directory;
    {
      auto file = AtomicFile::create(directory / "out.safetensors", {});
      ASSERT_TRUE(file.ok());
      const Status status = write_activations(recorder, *file);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
      EXPECT_EQ(status.error().message(), "the input of \"linear6\" is not finite in column 1");
    }
    EXPECT_TRUE(test::list_directory(directory.path()).empty());
  }
}

TEST_F(RecorderTest, TheFileIsSafetensors) {
  ActivationRecorder recorder(plan_, {.sample_count = 2, .token_count = 3});
  const float inputs[] = {1, 2, -3, 0, 0.5f, -6};
  recorder.record(plan_.layers[0].gate, 0, {inputs, 3, 2});
  recorder.record(plan_.output, 0, {inputs + 2, 1, 2});
  const TempDirectory directory;
  auto file = AtomicFile::create(directory / "out.safetensors", {});
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(write_activations(recorder, *file).ok());
  ASSERT_TRUE(file->commit().ok());

  const auto source = open_model_source(directory / "out.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok()) << source.error().message();
  std::map<std::string, std::vector<float>> tensors;
  for (const SourceTensor& tensor : source->tensors()) {
    EXPECT_EQ(tensor.dtype, DType::kF32);
    EXPECT_EQ(tensor.offset % 8, 0u);
    std::vector<float>& values = tensors[tensor.name];
    values.resize(tensor.bytes / sizeof(float));
    ASSERT_TRUE(
        source->read(tensor.file, tensor.offset, std::as_writable_bytes(std::span(values))).ok());
    const bool is_sample = tensor.name.ends_with("_sample");
    EXPECT_EQ(tensor.shape, is_sample ? std::vector<uint64_t>({values.size() / 2, 2})
                                      : std::vector<uint64_t>({2}));
  }
  EXPECT_EQ(tensors.size(), 8 + 1u);
  EXPECT_EQ(tensors.at("linear0"), (std::vector<float>{0, 0}));
  EXPECT_EQ(tensors.at("linear4"), (std::vector<float>{3, 6}));
  EXPECT_EQ(tensors.at("linear4_sample"), (std::vector<float>{-3, 0, 0.5f, -6}));
  EXPECT_EQ(tensors.at("lm_head"), (std::vector<float>{3, 0}));
  EXPECT_FALSE(tensors.contains("lm_head_sample")) << "token 0 is not sampled";
}

}  // namespace
}  // namespace qload::qrun
