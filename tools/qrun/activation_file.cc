#include "tools/qrun/activation_file.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "format/base/try.h"
#include "tools/encode/safetensors_header.h"

namespace qload::qrun {
namespace {

/// What is written, and the values of each tensor.
struct FileContent {
  std::vector<encode::OutputTensor> tensors;
  std::vector<std::span<const float>> values;

  void add(std::string name, std::vector<uint64_t> shape, std::span<const float> numbers) {
    tensors.push_back({.name = std::move(name),
                       .dtype = DType::kF32,
                       .shape = std::move(shape),
                       .bytes = numbers.size_bytes()});
    values.push_back(numbers);
  }
};

FileContent list_content(const ActivationRecorder& recorder) {
  FileContent out;
  for (const ActivationRecorder::Linear& linear : recorder.linears()) {
    const uint64_t columns = linear.largest_magnitudes.size();
    out.add(linear.module, {columns}, linear.largest_magnitudes);
    if (linear.samples.empty()) continue;
    out.add(linear.module + "_sample", {linear.samples.size() / columns, columns}, linear.samples);
  }
  return out;
}

}  // namespace

Status write_activations(const ActivationRecorder& recorder, AtomicFile& file) {
  QLOAD_CHECK(recorder.check_finite());
  FileContent content = list_content(recorder);
  const encode::SafetensorsMetadata metadata = {
      {"content", "activations"}, {"token_count", std::to_string(recorder.token_count())}};
  const encode::OutputLayout layout = encode::lay_out_safetensors_file(metadata, content.tensors);
  QLOAD_CHECK(file.write_at(0, layout.header));
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    QLOAD_CHECK(file.write_at(content.tensors[i].offset, std::as_bytes(content.values[i])));
  }
  return Ok{};
}

}  // namespace qload::qrun
