#include "tests/quantize/quantize_fixture.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "format/input/model_source.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

/// IEEE 754 binary16 by its definition.
float half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                  : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  if (exponent == 31) magnitude = fraction == 0 ? INFINITY : NAN;
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <class T>
std::vector<T> elements(const std::vector<std::byte>& bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace

std::vector<float> StoredTensor::floats() const {
  if (dtype == DType::kF32) return elements<float>(bytes);
  std::vector<float> out;
  for (const uint16_t bits : elements<uint16_t>(bytes)) {
    out.push_back(dtype == DType::kF16 ? half_value(bits)
                                       : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
  }
  return out;
}

std::vector<int8_t> StoredTensor::codes() const { return elements<int8_t>(bytes); }
std::vector<int32_t> StoredTensor::integers() const { return elements<int32_t>(bytes); }

StoredModel read_model(const std::filesystem::path& path) {
  StoredModel model;
  const auto source = open_model_source(path, OpenAs::kDetect);
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  if (!source.ok()) return model;
  for (const SourceTensor& tensor : source->tensors()) {
    StoredTensor stored{tensor.dtype, tensor.shape, std::vector<std::byte>(tensor.bytes)};
    EXPECT_TRUE(source->read(tensor.file, tensor.offset, stored.bytes).ok());
    model.emplace(tensor.name, std::move(stored));
  }
  return model;
}

StoredTensor make_floats(std::vector<uint64_t> shape, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::kF32, std::move(shape), {bytes.begin(), bytes.end()}};
}

StoredTensor random_floats(std::vector<uint64_t> shape, uint64_t seed, float deviation) {
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  return {DType::kF32, std::move(shape), gaussian_f32(count, deviation, seed)};
}

void write_model(const std::filesystem::path& path, const StoredModel& model) {
  SafetensorsBuilder builder;
  for (const auto& [name, tensor] : model) {
    builder.add(name, find_dtype(tensor.dtype)->name, tensor.shape, tensor.bytes);
  }
  builder.metadata("format", "pt");
  write_file(path, builder.build());
}

Result<quantize::QuantizeReport> run_quantize(const std::filesystem::path& input,
                                              const std::filesystem::path& output,
                                              const quantize::QuantizeOptions& options) {
  const auto source = open_model_source(input, OpenAs::kDetect);
  if (!source.ok()) return source.error();
  return quantize::quantize_model(*source, input, output, options, {}, {});
}

std::filesystem::path QuantizeFixture::output(const quantize::QuantizeOptions& options) const {
  return directory_ / (quantize::writes_gguf(options.scheme) ? "out.gguf" : "out.safetensors");
}

StoredModel QuantizeFixture::quantize(quantize::QuantizeOptions options,
                                      quantize::QuantizeReport* report) const {
  options.overwrite = true;
  const auto result = run_quantize(input(), output(options), options);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message());
  if (!result.ok()) return {};
  if (report != nullptr) *report = *result;
  return read_model(output(options));
}

Error QuantizeFixture::fail(quantize::QuantizeOptions options) const {
  options.overwrite = true;
  const auto before = list_directory(directory_.path());
  const auto result = run_quantize(input(), output(options), options);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(list_directory(directory_.path()), before);
  return result.ok() ? Error(ErrorCode::kIo, "no error") : result.error();
}

}  // namespace qload::test
