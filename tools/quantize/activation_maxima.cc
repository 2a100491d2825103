#include "tools/quantize/activation_maxima.h"

#include <cmath>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::quantize {
namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += text(i == 0 ? "" : ", ", shape[i]);
  return out + "]";
}

}  // namespace

std::string_view module_name(std::string_view weight) {
  constexpr std::string_view kSuffix = ".weight";
  if (weight.ends_with(kSuffix)) weight.remove_suffix(kSuffix.size());
  return weight;
}

Result<ActivationMaxima> ActivationMaxima::open(const std::filesystem::path& path) {
  ActivationMaxima maxima;
  QLOAD_TRY(maxima.source_, open_model_source(path, OpenAs::kSafetensors));
  maxima.name_ = quote(path.string());
  const auto tensors = maxima.source_.tensors();
  for (uint32_t i = 0; i < tensors.size(); ++i) maxima.by_name_.emplace(tensors[i].name, i);
  return maxima;
}

Result<std::vector<float>> ActivationMaxima::find(std::string_view weight,
                                                  uint64_t channel_count) const {
  auto found = by_name_.find(module_name(weight));
  if (found == by_name_.end()) found = by_name_.find(weight);
  if (found == by_name_.end()) {
    return Error(ErrorCode::kNotFound,
                 text(name_, " has no activations for weight ", quote(weight), ": neither ",
                      quote(module_name(weight)), " nor the weight's own name is in it"));
  }
  const SourceTensor& tensor = source_.tensors()[found->second];
  const std::string where = text(name_, ": activations ", quote(tensor.name));
  if (tensor.dtype != DType::kF32) {
    return corrupt(text(where, " are ", find_dtype(tensor.dtype)->name, ", expected F32"));
  }
  if (tensor.shape != std::vector{channel_count}) {
    return corrupt(text(where, " have shape ", shape_text(tensor.shape), ", expected [",
                        channel_count, "], one value for each input channel of ", quote(weight)));
  }
  std::vector<float> values(channel_count);
  QLOAD_CHECK(source_.read(tensor.file, tensor.offset, std::as_writable_bytes(std::span(values))));
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] >= 0) continue;
    const char* found_text = std::isnan(values[i])   ? "not a number"
                             : std::isinf(values[i]) ? "infinite"
                                                     : "negative";
    return corrupt(
        text(where, ": value ", i, " is ", found_text, ", expected a largest absolute value"));
  }
  return values;
}

}  // namespace qload::quantize
