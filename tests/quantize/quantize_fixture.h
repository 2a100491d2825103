// Small models of floats, quantized and read back whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "qload/result.h"
#include "qload/tensor.h"
#include "tests/support/test_files.h"
#include "tools/quantize/quantize.h"

namespace qload::test {

/// A tensor of a model file, its bytes in memory.
struct StoredTensor {
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  std::vector<std::byte> bytes;

  uint64_t rows() const { return shape.size() < 2 ? 1 : shape[0]; }
  uint64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  /// The elements of F32, F16 and BF16, by formulas of their own.
  std::vector<float> floats() const;
  std::vector<int8_t> codes() const;
  std::vector<int32_t> integers() const;
};
using StoredModel = std::map<std::string, StoredTensor>;

/// All tensors of a model file; fails the running test when it cannot be read.
StoredModel read_model(const std::filesystem::path& path);

StoredTensor make_floats(std::vector<uint64_t> shape, const std::vector<float>& values);
/// Values of a normal distribution, every one the same from the same seed.
StoredTensor random_floats(std::vector<uint64_t> shape, uint64_t seed, float deviation = 1);

/// Writes `model` as safetensors.
void write_model(const std::filesystem::path& path, const StoredModel& model);

/// Opens `input` and quantizes it to `output`.
Result<quantize::QuantizeReport> run_quantize(const std::filesystem::path& input,
                                              const std::filesystem::path& output,
                                              const quantize::QuantizeOptions& options);

/// A directory with "model.safetensors", "activations.safetensors" and what becomes of them.
class QuantizeFixture {
 public:
  explicit QuantizeFixture(const StoredModel& model) { write_model(input(), model); }
  std::filesystem::path input() const { return directory_ / "model.safetensors"; }
  std::filesystem::path activations() const { return directory_ / "activations.safetensors"; }
  std::filesystem::path output(const quantize::QuantizeOptions& options) const;

  /// Quantizes and returns what was written; fails the running test on an error.
  StoredModel quantize(quantize::QuantizeOptions options,
                       quantize::QuantizeReport* report = nullptr) const;
  /// The error; fails the running test when there is none, or when a file was left.
  Error fail(quantize::QuantizeOptions options) const;

 private:
  TempDirectory directory_;
};

}  // namespace qload::test
