// Real trained weights: every scheme against its reference, and against files made elsewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/quantize/quantize_fixture.h"
#include "tests/quantize/quantize_reference.h"

namespace qload::test {
namespace {

using quantize::ChannelAxis;
using quantize::QuantizeOptions;
using quantize::Scheme;

constexpr const char* kFloatModels[] = {"stories260K-f32", "real_lm_mix-bf16"};

bool is_quantized(const StoredTensor& tensor) {
  return tensor.shape.size() == 2 && std::min(tensor.shape[0], tensor.shape[1]) >= 16;
}

/// The bytes of both, with a message that does not print megabytes.
void expect_same_bytes(const StoredTensor& found, const std::vector<std::byte>& expected,
                       const std::string& name) {
  EXPECT_TRUE(found.bytes == expected) << name << ": bytes differ";
}

template <class T>
std::vector<std::byte> to_bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

class QuantizeModels : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto models = models_directory();
    if (!models) GTEST_SKIP() << kNoModels;
    models_ = *models;
    input_ = models_ / (std::string(GetParam()) + ".safetensors");
    source_ = read_model(input_);
    ASSERT_GT(source_.size(), 40u);
  }

  StoredModel quantize(QuantizeOptions options) {
    const auto output = directory_ / (writes_gguf(options.scheme) ? "o.gguf" : "o.safetensors");
    options.overwrite = true;
    const auto report = run_quantize(input_, output, options);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message());
    return report.ok() ? read_model(output) : StoredModel();
  }

  /// Calls `check` for each matrix, and proves that everything else is as it was.
  void for_each_matrix(const StoredModel& quantized,
                       const std::function<void(const std::string&, const StoredTensor&,
                                                const StoredTensor&)>& check) {
    size_t matrices = 0;
    for (const auto& [name, tensor] : source_) {
      const auto found = quantized.find(name);
      ASSERT_NE(found, quantized.end()) << name;
      EXPECT_EQ(found->second.shape, tensor.shape) << name;
      if (is_quantized(tensor)) {
        ++matrices;
        check(name, tensor, found->second);
      } else {
        EXPECT_EQ(found->second.dtype, tensor.dtype) << name;
        expect_same_bytes(found->second, tensor.bytes, name);
      }
    }
    EXPECT_GE(matrices, 36u);
  }

  void expect_int8(const QuantizeOptions& options, ScaleOf scale_of) {
    const StoredModel quantized = quantize(options);
    size_t scales = 0;
    for_each_matrix(
        quantized, [&](const std::string& name, const StoredTensor& from, const StoredTensor& to) {
          const ReferenceInt8 expected = reference_int8(from.floats(), from.columns(), scale_of);
          EXPECT_EQ(to.dtype, DType::kI8) << name;
          expect_same_bytes(to, to_bytes_of(expected.codes), name);
          const StoredTensor& scale = quantized.at(name + "_scale");
          EXPECT_EQ(scale.dtype, DType::kF32) << name;
          expect_same_bytes(scale, to_bytes_of(expected.scales), name + "_scale");
          const std::vector<uint64_t> shape = scale_of == ScaleOf::kColumn
                                                  ? std::vector<uint64_t>{1, from.columns()}
                                                  : std::vector<uint64_t>{expected.scales.size()};
          EXPECT_EQ(scale.shape, shape) << name;
          ++scales;
        });
    EXPECT_EQ(quantized.size(), source_.size() + scales);
  }

  void expect_blocks(Scheme scheme, DType dtype,
                     std::vector<std::byte> (*reference)(const std::vector<float>&)) {
    const StoredModel quantized = quantize({.scheme = scheme});
    EXPECT_EQ(quantized.size(), source_.size());
    size_t blocks = 0;
    for (const auto& [name, tensor] : source_) {
      const StoredTensor& found = quantized.at(name);
      EXPECT_EQ(found.shape, tensor.shape) << name;
      if (!is_quantized(tensor)) {
        EXPECT_EQ(found.dtype, DType::kF32) << name;
        expect_same_bytes(found, to_bytes_of(tensor.floats()), name);
      } else if (tensor.columns() % 32 != 0) {
        std::vector<uint16_t> halves;
        for (const float value : tensor.floats()) halves.push_back(reference_half(value));
        EXPECT_EQ(found.dtype, DType::kF16) << name;
        expect_same_bytes(found, to_bytes_of(halves), name);
      } else {
        EXPECT_EQ(found.dtype, dtype) << name;
        expect_same_bytes(found, reference(tensor.floats()), name);
        ++blocks;
      }
    }
    EXPECT_GE(blocks, 31u);
  }

  /// Activation maxima for each matrix: a tenth of the channels above the threshold of 6.
  StoredModel make_activations() const {
    StoredModel activations;
    uint64_t seed = 1;
    for (const auto& [name, tensor] : source_) {
      if (!is_quantized(tensor)) continue;
      std::vector<float> values = random_floats({tensor.columns()}, seed++, 3.65f).floats();
      for (float& value : values) value = std::fabs(value);
      activations.emplace(name, make_floats({tensor.columns()}, values));
    }
    return activations;
  }

  std::filesystem::path models_;
  std::filesystem::path input_;
  StoredModel source_;
  TempDirectory directory_;
};

TEST_P(QuantizeModels, TensorIsItsReference) {
  expect_int8({.scheme = Scheme::kTensor}, ScaleOf::kMatrix);
}

TEST_P(QuantizeModels, ChannelIsItsReference) {
  expect_int8({.scheme = Scheme::kChannel}, ScaleOf::kRow);
  expect_int8({.scheme = Scheme::kChannel, .axis = ChannelAxis::kColumn}, ScaleOf::kColumn);
}

TEST_P(QuantizeModels, BlocksAreTheirReferences) {
  expect_blocks(Scheme::kQ8_0, DType::kQ8_0, reference_q8_0);
  expect_blocks(Scheme::kQ4_0, DType::kQ4_0, reference_q4_0);
}

bool has_outliers(const std::string& name) {
  for (const char* part :
       {"embed", "embd", "lm_head", "output.weight", "wte.", "wpe.", "tok_emb"}) {
    if (name.find(part) != std::string::npos) return false;
  }
  return true;
}

TEST_P(QuantizeModels, LlmInt8IsItsReference) {
  const StoredModel activations = make_activations();
  const auto path = directory_ / "activations.safetensors";
  write_model(path, activations);
  const StoredModel quantized = quantize({.scheme = Scheme::kLlmInt8, .activations = path});
  size_t with_outliers = 0;
  for_each_matrix(quantized, [&](const std::string& name, const StoredTensor& from,
                                 const StoredTensor& to) {
    const std::vector<float> maxima = activations.at(name).floats();
    std::vector<int32_t> outliers;
    for (size_t i = 0; i < maxima.size(); ++i) {
      if (has_outliers(name) && maxima[i] > 6.0f) outliers.push_back(static_cast<int32_t>(i));
    }
    const std::vector<float> weights = from.floats();
    std::vector<bool> skipped(weights.size());
    std::vector<uint16_t> halves;
    for (uint64_t row = 0; row < from.rows(); ++row) {
      for (const int32_t column : outliers) {
        const uint64_t i = row * from.columns() + static_cast<uint64_t>(column);
        skipped[i] = true;
        halves.push_back(reference_half(weights[i]));
      }
    }
    const ReferenceInt8 expected = reference_int8(weights, from.columns(), ScaleOf::kRow, skipped);
    expect_same_bytes(to, to_bytes_of(expected.codes), name);
    expect_same_bytes(quantized.at(name + "_scale"), to_bytes_of(expected.scales), name);
    EXPECT_EQ(quantized.contains(name + "_outliers"), !outliers.empty()) << name;
    if (outliers.empty()) return;
    ++with_outliers;
    const std::vector<uint64_t> shape = {from.rows(), outliers.size()};
    EXPECT_EQ(quantized.at(name + "_outliers").shape, shape) << name;
    expect_same_bytes(quantized.at(name + "_outliers"), to_bytes_of(halves), name);
    EXPECT_EQ(quantized.at(name + "_outlier_columns").integers(), outliers) << name;
  });
  EXPECT_GE(with_outliers, 30u);
}

/// Without folds: each matrix by itself, the factors stored. Folds have a test of their own.
TEST_P(QuantizeModels, SmoothQuantIsItsReference) {
  const StoredModel activations = make_activations();
  const auto path = directory_ / "activations.safetensors";
  write_model(path, activations);
  for (const double alpha : {0.0, 0.5, 0.8, 1.0}) {
    SCOPED_TRACE(alpha);
    const StoredModel quantized = quantize(
        {.scheme = Scheme::kSmoothQuant, .alpha = alpha, .activations = path, .fold = false});
    for_each_matrix(
        quantized, [&](const std::string& name, const StoredTensor& from, const StoredTensor& to) {
          std::vector<float> weights = from.floats();
          EXPECT_EQ(quantized.contains(name + "_smooth"), has_outliers(name)) << name;
          if (has_outliers(name)) {
            const std::vector<float> maxima = activations.at(name).floats();
            std::vector<float> factors;
            for (uint64_t column = 0; column < from.columns(); ++column) {
              float largest = 0;
              for (uint64_t i = column; i < weights.size(); i += from.columns()) {
                largest = std::max(largest, std::fabs(weights[i]));
              }
              const double s =
                  std::pow(double{maxima[column]}, alpha) / std::pow(double{largest}, 1 - alpha);
              const bool any = maxima[column] > 0 && largest > 0;
              factors.push_back(any ? static_cast<float>(std::min(1e5, std::max(1e-5, s))) : 1.0f);
            }
            expect_same_bytes(quantized.at(name + "_smooth"), to_bytes_of(factors), name);
            for (uint64_t i = 0; i < weights.size(); ++i) weights[i] *= factors[i % from.columns()];
          }
          const ReferenceInt8 expected = reference_int8(weights, from.columns(), ScaleOf::kMatrix);
          expect_same_bytes(to, to_bytes_of(expected.codes), name);
          expect_same_bytes(quantized.at(name + "_scale"), to_bytes_of(expected.scales), name);
        });
  }
}

INSTANTIATE_TEST_SUITE_P(FloatModels, QuantizeModels, testing::ValuesIn(kFloatModels),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

struct Prepared {
  Scheme scheme;
  const char* suffix;
};
constexpr Prepared kPrepared[] = {{Scheme::kTensor, "-int8_tensor.safetensors"},
                                  {Scheme::kChannel, "-int8_channel.safetensors"},
                                  {Scheme::kQ8_0, "-q8_0.gguf"},
                                  {Scheme::kQ4_0, "-q4_0.gguf"}};

/// The files of another converter have the same tensors, bit for bit.
TEST(QuantizePrepared, Stories) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  const TempDirectory directory;
  for (const Prepared& prepared : kPrepared) {
    SCOPED_TRACE(prepared.suffix);
    const bool gguf = quantize::writes_gguf(prepared.scheme);
    const auto output = directory / (std::string("out") + prepared.suffix);
    const auto input = *models / (gguf ? "stories260K-f32.gguf" : "stories260K-f32.safetensors");
    ASSERT_TRUE(run_quantize(input, output, {.scheme = prepared.scheme}).ok());
    const auto expected_path = *models / (std::string("stories260K") + prepared.suffix);
    if (gguf) {
      EXPECT_TRUE(read_file(output) == read_file(expected_path)) << "files differ";
      continue;
    }
    const StoredModel found = read_model(output);
    const StoredModel expected = read_model(expected_path);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      const auto same = found.find(name);
      ASSERT_NE(same, found.end()) << name;
      EXPECT_EQ(same->second.dtype, tensor.dtype) << name;
      EXPECT_EQ(same->second.shape, tensor.shape) << name;
      expect_same_bytes(same->second, tensor.bytes, name);
    }
  }
}

/// From safetensors and a configuration: llama.cpp's names, query and key in its order of rows.
TEST(QuantizePrepared, StoriesAsLlama) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  const TempDirectory directory;
  for (const Scheme scheme : {Scheme::kQ8_0, Scheme::kQ4_0}) {
    SCOPED_TRACE(scheme_name(scheme));
    const auto output = directory / (std::string(scheme_name(scheme)) + ".gguf");
    const auto report =
        run_quantize(*models / "stories260K-f32.safetensors", output,
                     {.scheme = scheme, .config = *models / "stories260K-config.json"});
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_TRUE(report->gguf_llama);
    const StoredModel found = read_model(output);
    const StoredModel expected =
        read_model(*models / ("stories260K-" + std::string(scheme_name(scheme)) + ".gguf"));
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      ASSERT_TRUE(found.contains(name)) << name;
      EXPECT_EQ(found.at(name).dtype, tensor.dtype) << name;
      expect_same_bytes(found.at(name), tensor.bytes, name);
    }
  }
}

/// The mix was quantized from weights of which real_lm_mix-bf16 has the rounded ones, but for two
/// of its models, which were trained in BF16: those must agree bit for bit, the others nearly.
TEST(QuantizePrepared, Mix) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  const TempDirectory directory;
  const auto input = *models / "real_lm_mix-bf16.safetensors";
  for (const Prepared& prepared : kPrepared) {
    SCOPED_TRACE(prepared.suffix);
    const auto output = directory / (std::string("out") + prepared.suffix);
    ASSERT_TRUE(run_quantize(input, output, {.scheme = prepared.scheme}).ok());
    const StoredModel found = read_model(output);
    const StoredModel expected =
        read_model(*models / (std::string("real_lm_mix") + prepared.suffix));
    ASSERT_EQ(found.size(), expected.size());
    size_t exact = 0;
    for (const auto& [name, tensor] : expected) {
      const auto same = found.find(name);
      ASSERT_NE(same, found.end()) << name;
      EXPECT_EQ(same->second.shape, tensor.shape) << name;
      const bool kept = tensor.dtype == DType::kF32 && !name.ends_with("_scale");
      if (!kept) {
        EXPECT_EQ(same->second.dtype, tensor.dtype) << name;
      }
      if (!name.starts_with("rwkv-6v0") && !name.starts_with("rwkv-7v0")) continue;
      ++exact;
      if (kept) {
        EXPECT_EQ(same->second.floats(), tensor.floats()) << name;
      } else {
        expect_same_bytes(same->second, tensor.bytes, name);
      }
    }
    EXPECT_GE(exact, 681u);
    if (prepared.scheme != Scheme::kTensor) continue;
    // BF16 keeps 8 bits: a maximum is off by at most 2^-8, a code by that of 127 and the rounding.
    for (const auto& [name, tensor] : expected) {
      if (tensor.dtype != DType::kI8) continue;
      const std::vector<int8_t> codes = tensor.codes();
      const std::vector<int8_t> ours = found.at(name).codes();
      int worst = 0;
      for (size_t i = 0; i < codes.size(); ++i)
        worst = std::max(worst, std::abs(codes[i] - ours[i]));
      EXPECT_LE(worst, 1) << name;
    }
  }
}

}  // namespace
}  // namespace qload::test
