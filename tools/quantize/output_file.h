// The header of the file to be written, in the format of the scheme.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "format/input/model_source.h"
#include "qload/result.h"
#include "tools/encode/output_tensor.h"
#include "tools/encode/safetensors_header.h"
#include "tools/quantize/llama_gguf.h"
#include "tools/quantize/quantize_options.h"

namespace qload::quantize {

/// The key of __metadata__ that says how a model was quantized: "smoothquant alpha=0.5".
inline constexpr const char* kQuantizationKey = "quantization";
std::string describe_quantization(const QuantizeOptions& options);

/// A safetensors file with the source's metadata and the key above, or a GGUF file: with the
/// source's key-values where that is GGUF, else those of `llama`, else the least that a GGUF file
/// has. Places `outputs`. kUnsupported when the header would be larger than readers accept.
Result<encode::OutputLayout> lay_out_output(const ModelSource& source,
                                            const encode::SafetensorsMetadata& metadata,
                                            const QuantizeOptions& options,
                                            const std::optional<LlamaFacts>& llama,
                                            std::span<encode::OutputTensor> outputs);

}  // namespace qload::quantize
