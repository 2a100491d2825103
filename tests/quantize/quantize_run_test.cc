// A run as a whole: the same bytes on any number of threads, statistics against sums of their own,
// what is kept of files and their metadata, progress, stopping.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "format/input/model_source.h"
#include "tests/quantize/layer_reference.h"
#include "tests/quantize/quantize_fixture.h"
#include "tests/support/model_fixtures.h"
#include "tools/quantize/source_metadata.h"
#include "tools/quantize/weight_rows.h"

namespace qload::test {
namespace {

using quantize::QuantizeOptions;
using quantize::QuantizeReport;
using quantize::Scheme;
using quantize::TensorStatistics;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

/// Matrices of several pieces each, whose last is not whole, and one whose row is a piece.
StoredModel large_model() {
  return {{"h.0.ln_1.weight", random_floats({300}, 1)},
          {"h.0.ln_2.weight", random_floats({300}, 2)},
          {"h.0.attn.c_attn.weight", random_floats({300, 900}, 3)},
          {"h.0.mlp.c_fc.weight", random_floats({300, 1500}, 4)},
          {"tall", random_floats({5000, 64}, 5)},
          {"wide", random_floats({16, 300000}, 6)},
          {"vector", random_floats({300000}, 7)}};
}

StoredModel large_activations(const StoredModel& model) {
  StoredModel activations;
  for (const auto& [name, tensor] : model) {
    if (tensor.shape.size() != 2) continue;
    const bool transposed = name.starts_with("h.");
    std::vector<float> maxima =
        random_floats({transposed ? tensor.rows() : tensor.columns()}, 9, 3.0f).floats();
    for (float& maximum : maxima) maximum = std::fabs(maximum);
    activations.emplace(name, make_floats({maxima.size()}, maxima));
  }
  return activations;
}

void expect_same_statistics(const TensorStatistics& a, const TensorStatistics& b) {
  EXPECT_EQ(a.deviation, b.deviation);
  EXPECT_EQ(a.kurtosis, b.kurtosis);
  EXPECT_EQ(a.sqnr_decibels, b.sqnr_decibels);
  EXPECT_EQ(a.error_max, b.error_max);
  EXPECT_EQ(a.source_entropy_bits, b.source_entropy_bits);
  EXPECT_EQ(a.code_entropy_bits, b.code_entropy_bits);
}

/// Pieces cover all rows once, in whole units but for the last.
TEST(CutRows, CoversAllRows) {
  for (const uint64_t rows : {0u, 1u, 96u, 1000u}) {
    for (const uint64_t columns : {0u, 1u, 5000u, 300000u}) {
      for (const uint64_t unit : {1u, 8u, 96u}) {
        uint64_t next = 0;
        for (const quantize::RowRange& range : quantize::cut_rows(rows, columns, unit)) {
          EXPECT_EQ(range.first, next);
          EXPECT_TRUE(range.count % unit == 0 || range.end() == rows);
          EXPECT_TRUE(range.count <= unit || range.count * columns <= quantize::kPieceElements);
          EXPECT_GT(range.count, 0u);
          next = range.end();
        }
        EXPECT_EQ(next, rows);
      }
    }
  }
}

TEST(QuantizeRun, SameBytesOnAnyNumberOfThreads) {
  const StoredModel model = large_model();
  const QuantizeFixture fixture(model);
  write_model(fixture.activations(), large_activations(model));
  for (const quantize::SchemeName& scheme : quantize::all_schemes()) {
    SCOPED_TRACE(scheme.name);
    QuantizeOptions options = {.scheme = scheme.scheme, .threads = 1, .measure = true};
    if (quantize::needs_activations(scheme.scheme)) options.activations = fixture.activations();
    QuantizeReport one;
    fixture.quantize(options, &one);
    const std::vector<std::byte> expected = read_file(fixture.output(options));
    for (const uint32_t threads : {2u, 7u}) {
      options.threads = threads;
      QuantizeReport many;
      fixture.quantize(options, &many);
      EXPECT_TRUE(read_file(fixture.output(options)) == expected) << threads;
      ASSERT_EQ(many.tensors.size(), one.tensors.size());
      for (size_t i = 0; i < one.tensors.size(); ++i) {
        expect_same_statistics(many.tensors[i].statistics, one.tensors[i].statistics);
      }
    }
  }
}

double entropy(const std::map<int, double>& counts) {
  double total = 0;
  for (const auto& [symbol, count] : counts) total += count;
  double bits = 0;
  for (const auto& [symbol, count] : counts) bits -= count / total * std::log2(count / total);
  return bits;
}

/// The figures of codes with one scale, by their definitions.
void expect_statistics(const StoredTensor& tensor, const StoredTensor& codes, double scale,
                       const TensorStatistics& found) {
  const std::vector<float> weights = tensor.floats();
  const auto n = static_cast<double>(weights.size());
  double mean = 0;
  for (const float w : weights) mean += w / n;
  double second = 0, fourth = 0, squares = 0, errors = 0, worst = 0, largest = 0;
  std::map<int, double> symbols;
  const std::vector<int8_t> quantized = codes.codes();
  for (size_t i = 0; i < weights.size(); ++i) {
    const double w = weights[i];
    second += (w - mean) * (w - mean);
    fourth += std::pow(w - mean, 4);
    squares += w * w;
    largest = std::max(largest, std::fabs(w));
    const double error = w - scale * quantized[i];
    errors += error * error;
    worst = std::max(worst, std::fabs(error));
    symbols[quantized[i]] += 1;
  }
  EXPECT_EQ(found.count, weights.size());
  EXPECT_EQ(found.absolute_max, largest);
  EXPECT_NEAR(found.deviation / std::sqrt(second / n), 1, 1e-12);
  EXPECT_NEAR(*found.peak_to_deviation(), largest / std::sqrt(second / n), 1e-9);
  EXPECT_NEAR(*found.kurtosis, n * fourth / (second * second), 1e-9);
  EXPECT_NEAR(*found.sqnr_decibels, 10 * std::log10(squares / errors), 1e-4);
  EXPECT_NEAR(found.error_max / worst, 1, 1e-4);
  EXPECT_NEAR(found.code_entropy_bits, entropy(symbols), 1e-12);
  double bits = 0;
  const size_t width = find_dtype(tensor.dtype)->block_bytes;
  for (size_t plane = 0; plane < width; ++plane) {
    std::map<int, double> bytes;
    for (size_t i = plane; i < tensor.bytes.size(); i += width) {
      bytes[static_cast<int>(tensor.bytes[i])] += 1;
    }
    bits += entropy(bytes);
  }
  EXPECT_NEAR(found.source_entropy_bits, bits, 1e-9);
}

TEST(QuantizeRun, StatisticsAreWhatTheirDefinitionsSay) {
  StoredModel model = large_model();
  // Far from a mean of 0, where sums of raw powers would lose everything.
  std::vector<float> shifted = model.at("tall").floats();
  for (float& value : shifted) value = value * 0.01f + 5;
  model["shifted"] = make_floats({5000, 64}, shifted);
  model["bf16"] = {DType::kBF16, {400, 700}, gaussian_bf16(280000, 0.3, 8)};
  const QuantizeFixture fixture(model);
  QuantizeReport report;
  const StoredModel out = fixture.quantize({.scheme = Scheme::kTensor, .measure = true}, &report);
  ASSERT_EQ(report.tensors.size(), 6u);
  for (const quantize::QuantizedTensor& tensor : report.tensors) {
    SCOPED_TRACE(tensor.name);
    expect_statistics(model.at(tensor.name), out.at(tensor.name),
                      out.at(tensor.name + "_scale").floats()[0], tensor.statistics);
  }
}

/// A normal distribution has kurtosis 3; nothing can be said of zeros.
TEST(QuantizeRun, StatisticsOfKnownWeights) {
  const QuantizeFixture fixture(
      {{"normal", random_floats({1000, 1024}, 1)},
       {"zeros", make_floats({16, 32}, std::vector<float>(512))},
       {"exact", make_floats({16, 32}, std::vector<float>(512, 127.0f))}});
  for (const Scheme scheme : {Scheme::kTensor, Scheme::kChannel, Scheme::kQ8_0, Scheme::kQ4_0}) {
    SCOPED_TRACE(static_cast<int>(scheme));
    QuantizeReport report;
    fixture.quantize({.scheme = scheme, .measure = true}, &report);
    for (const quantize::QuantizedTensor& tensor : report.tensors) {
      const TensorStatistics& s = tensor.statistics;
      if (tensor.name == "normal") {
        EXPECT_NEAR(*s.kurtosis, 3, 0.02);
        EXPECT_NEAR(s.deviation, 1, 0.01);
        // 6 dB for each bit, less what the peaks cost.
        EXPECT_GT(*s.sqnr_decibels, scheme == Scheme::kQ4_0 ? 17 : 36);
        EXPECT_LT(*s.sqnr_decibels, scheme == Scheme::kQ4_0 ? 25 : 50);
        EXPECT_GT(s.code_entropy_bits, scheme == Scheme::kQ4_0 ? 3.5 : 6);
        EXPECT_LT(s.code_entropy_bits, scheme == Scheme::kQ4_0 ? 4 : 8);
        continue;
      }
      EXPECT_FALSE(s.kurtosis.has_value()) << tensor.name;
      EXPECT_FALSE(s.peak_to_deviation().has_value()) << tensor.name;
      EXPECT_FALSE(s.sqnr_decibels.has_value()) << tensor.name;
      EXPECT_EQ(s.error_max, 0) << tensor.name;
    }
  }
}

encode::SafetensorsMetadata metadata_of(const std::filesystem::path& path) {
  const auto source = open_model_source(path, OpenAs::kDetect);
  EXPECT_TRUE(source.ok());
  const auto metadata = quantize::read_source_metadata(*source);
  EXPECT_TRUE(metadata.ok());
  return *metadata;
}

TEST(QuantizeRun, MetadataIsKeptAndTellsTheScheme) {
  const TempDirectory directory;
  SafetensorsBuilder builder;
  builder.metadata("quantization", "old").metadata("odd \"key\"", "a\\b\n\xC3\xA9");
  const StoredTensor weight = random_floats({16, 16}, 1);
  builder.add("odd \"name\" \xC3\xA9", "F32", weight.shape, weight.bytes);
  write_file(directory / "in.safetensors", builder.build());
  const auto output = directory / "out.safetensors";
  ASSERT_TRUE(run_quantize(directory / "in.safetensors", output,
                           {.scheme = Scheme::kChannel, .axis = quantize::ChannelAxis::kColumn})
                  .ok());
  EXPECT_THAT(metadata_of(output), ElementsAre(Pair("odd \"key\"", "a\\b\n\xC3\xA9"),
                                               Pair("quantization", "channel axis=column")));
  EXPECT_TRUE(read_model(output).contains("odd \"name\" \xC3\xA9_scale"));
}

TEST(QuantizeRun, ShardsBecomeOneFile) {
  const TempDirectory directory;
  std::filesystem::create_directory(directory / "model");
  write_model(directory / "model/a.safetensors", {{"a", random_floats({16, 32}, 1)}});
  write_model(directory / "model/b.safetensors", {{"b", random_floats({16, 32}, 2)}});
  write_file(directory / "model/config.json", std::string_view("{}"));
  for (const Scheme scheme : {Scheme::kTensor, Scheme::kQ8_0}) {
    const auto output =
        directory / (quantize::writes_gguf(scheme) ? "out.gguf" : "out.safetensors");
    const auto report = run_quantize(directory / "model", output, {.scheme = scheme});
    ASSERT_TRUE(report.ok()) << report.error().message();
    const StoredModel out = read_model(output);
    EXPECT_TRUE(out.contains("a") && out.contains("b"));
  }
}

/// A GGUF model keeps its keys; the type of the file changes.
TEST(QuantizeRun, GgufKeepsItsKeys) {
  const TempDirectory directory;
  const StoredTensor weight = random_floats({16, 32}, 1);
  const std::vector<std::string> tokens = {"a", "", "b"};
  const auto build = [&](uint32_t file_type, uint32_t type, const std::vector<std::byte>& bytes) {
    GgufBuilder builder;
    builder.add_string("general.architecture", "llama").add_u32("general.file_type", file_type);
    builder.add_string_array("tokenizer.ggml.tokens", tokens).add_bool("flag", true);
    builder.add_array("scores", GgufValueType::kFloat32, 2, random_bytes(8, 2)).add_u64("n", 7);
    builder.add_u32("general.quantization_version", 2);
    return builder.add_tensor("w", type, {32, 16}, bytes).build();
  };
  write_file(directory / "in.gguf", build(0, 0, weight.bytes));
  const auto output = directory / "out.gguf";
  ASSERT_TRUE(run_quantize(directory / "in.gguf", output, {.scheme = Scheme::kQ8_0}).ok());
  EXPECT_TRUE(read_file(output) == build(7, 8, read_model(output).at("w").bytes));
}

TEST(QuantizeRun, FormatsThatDoNotSuitTheScheme) {
  const TempDirectory directory;
  GgufBuilder builder;
  builder.add_tensor("w", 0, {32, 32}, random_floats({32, 32}, 1).bytes);
  write_file(directory / "in.gguf", builder.build());
  const auto gguf = run_quantize(directory / "in.gguf", directory / "out.safetensors", {});
  ASSERT_FALSE(gguf.ok());
  EXPECT_EQ(gguf.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(gguf.error().message()), HasSubstr("is gguf"));
  write_file(directory / "text", std::string_view("no model"));
  const auto raw = run_quantize(directory / "text", directory / "out.safetensors", {});
  ASSERT_FALSE(raw.ok());
  EXPECT_EQ(raw.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(list_directory(directory.path()), ElementsAre("in.gguf", "text"));
}

TEST(QuantizeRun, TheInputIsNotReplaced) {
  const TempDirectory directory;
  const auto input = directory / "in.safetensors";
  write_model(input, {{"w", random_floats({16, 16}, 1)}});
  const std::vector<std::byte> before = read_file(input);
  EXPECT_FALSE(run_quantize(input, input, {.overwrite = true}).ok());
  EXPECT_EQ(read_file(input), before);
  // Neither is another file without the word.
  write_file(directory / "out.safetensors", std::string_view("before"));
  EXPECT_FALSE(run_quantize(input, directory / "out.safetensors", {}).ok());
  EXPECT_EQ(read_file(directory / "out.safetensors"), to_bytes("before"));
}

TEST(QuantizeRun, ProgressEndsAtItsTotal) {
  const StoredModel model = large_model();
  const QuantizeFixture fixture(model);
  write_model(fixture.activations(), large_activations(model));
  for (const quantize::SchemeName& scheme : quantize::all_schemes()) {
    SCOPED_TRACE(scheme.name);
    const TempDirectory directory;
    QuantizeOptions options = {.scheme = scheme.scheme};
    if (quantize::needs_activations(scheme.scheme)) options.activations = fixture.activations();
    const auto source = open_model_source(fixture.input(), OpenAs::kDetect);
    ASSERT_TRUE(source.ok());
    PackProgress last{0, 0};
    const auto report =
        quantize::quantize_model(*source, fixture.input(), directory / "out", options,
                                 [&](const PackProgress& progress) {
                                   EXPECT_GE(progress.bytes_done, last.bytes_done);
                                   last = progress;
                                 },
                                 {});
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_GT(last.bytes_total, 0u);
    EXPECT_EQ(last.bytes_done, last.bytes_total);
  }
}

TEST(QuantizeRun, StopsWhenAsked) {
  const QuantizeFixture fixture(large_model());
  const TempDirectory directory;
  const auto source = open_model_source(fixture.input(), OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  std::stop_source stop;
  stop.request_stop();
  const auto report = quantize::quantize_model(*source, fixture.input(), directory / "out", {}, {},
                                               stop.get_token());
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  EXPECT_TRUE(list_directory(directory.path()).empty());
}

/// The whole way with folds: a config beside the model, norms as F32, nothing stored.
TEST(QuantizeRun, SmoothedLlamaHasOnlyItsOwnTensors) {
  const LayerShape shape = {.kind = LayerKind::kLlama, .heads = 8, .value_heads = 4};
  const StoredModel model = make_layer(shape, 1);
  ActivationMap activations;
  run_layer(shape, model, &activations);
  StoredModel vectors;
  for (const auto& [module, maxima] : activations) {
    vectors.emplace(module, make_floats({maxima.size()}, maxima));
  }
  const TempDirectory directory;
  const auto input = directory / "model.safetensors";
  write_model(input, model);
  write_model(directory / "activations.safetensors", vectors);
  QuantizeOptions options = {.scheme = Scheme::kSmoothQuant,
                             .activations = directory / "activations.safetensors"};
  const auto stored = run_quantize(input, directory / "stored.safetensors", options);
  ASSERT_TRUE(stored.ok()) << stored.error().message();
  EXPECT_EQ(stored->stored_factor_count, 1u);  // o_proj: nobody says how large heads are.
  write_file(directory / "config.json",
             std::string_view(R"({"model_type": "llama", "head_dim": 8})"));
  const auto folded = run_quantize(input, directory / "folded.safetensors", options);
  ASSERT_TRUE(folded.ok()) << folded.error().message();
  EXPECT_EQ(folded->stored_factor_count, 0u);
  EXPECT_EQ(folded->folded_count, 7u);
  const StoredModel out = read_model(directory / "folded.safetensors");
  EXPECT_EQ(out.size(), model.size() + 7);
  // Codes and scales give back the layer, as well as 8 bits can.
  StoredModel decoded;
  for (const auto& [name, tensor] : model) {
    const StoredTensor& found = out.at(name);
    if (found.dtype != DType::kI8) {
      decoded[name] = found;
      continue;
    }
    std::vector<float> values;
    const float scale = out.at(name + "_scale").floats()[0];
    for (const int8_t code : found.codes()) values.push_back(scale * static_cast<float>(code));
    decoded[name] = make_floats(found.shape, values);
  }
  const std::vector<double> expected = run_layer(shape, model);
  const std::vector<double> result = run_layer(shape, decoded);
  double squares = 0, errors = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    squares += expected[i] * expected[i];
    errors += (expected[i] - result[i]) * (expected[i] - result[i]);
  }
  // Attention sharpens errors; with a factor missing everything is wrong.
  EXPECT_LT(errors, 0.05 * squares);
  // A configuration that is none is told.
  write_file(directory / "config.json", std::string_view("[1]"));
  const auto broken = run_quantize(input, directory / "broken.safetensors", options);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(broken.error().message()), HasSubstr("config.json"));
}

}  // namespace
}  // namespace qload::test
