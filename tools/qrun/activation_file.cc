#include "tools/qrun/activation_file.h"

#include <span>
#include <string>
#include <vector>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

/// One tensor of the file.
struct FileTensor {
  std::string name;
  std::string shape;  // In JSON.
  std::span<const float> values;
};

std::vector<FileTensor> list_tensors(const ActivationRecorder& recorder) {
  std::vector<FileTensor> out;
  for (const ActivationRecorder::Linear& linear : recorder.linears()) {
    const size_t columns = linear.largest_magnitudes.size();
    out.push_back({linear.module, text("[", columns, "]"), linear.largest_magnitudes});
    if (linear.samples.empty()) continue;
    out.push_back({linear.module + "_sample",
                   text("[", linear.samples.size() / columns, ",", columns, "]"), linear.samples});
  }
  return out;
}

/// Length and JSON. Names of modules are the engine's own and need no escapes.
std::string make_header(std::span<const FileTensor> tensors, uint64_t token_count) {
  std::string json =
      text(R"({"__metadata__":{"content":"activations","token_count":")", token_count, "\"}");
  uint64_t offset = 0;
  for (const FileTensor& tensor : tensors) {
    const uint64_t end = offset + tensor.values.size_bytes();
    json += text(",\"", tensor.name, R"(":{"dtype":"F32","shape":)", tensor.shape,
                 R"(,"data_offsets":[)", offset, ",", end, "]}");
    offset = end;
  }
  json += "}";
  json.resize(align_up(json.size(), 8), ' ');  // So that data are aligned, as safetensors asks.
  const uint64_t json_bytes = json.size();
  return std::string(reinterpret_cast<const char*>(&json_bytes), sizeof json_bytes) + json;
}

}  // namespace

Status write_activations(const ActivationRecorder& recorder, AtomicFile& file) {
  QLOAD_CHECK(recorder.check_finite());
  const std::vector<FileTensor> tensors = list_tensors(recorder);
  const std::string header = make_header(tensors, recorder.token_count());
  QLOAD_CHECK(file.write_at(0, std::as_bytes(std::span(header))));
  uint64_t offset = header.size();
  for (const FileTensor& tensor : tensors) {
    QLOAD_CHECK(file.write_at(offset, std::as_bytes(tensor.values)));
    offset += tensor.values.size_bytes();
  }
  return Ok{};
}

}  // namespace qload::qrun
