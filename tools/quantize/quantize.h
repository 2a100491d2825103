// quantize_model: a model of floats to codes and scales, in parallel, within bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "qload/result.h"
#include "tools/quantize/quantization_statistics.h"
#include "tools/quantize/quantize_options.h"

namespace qload::quantize {

/// One tensor that was quantized.
struct QuantizedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  DType source_dtype = DType::kF32;
  uint64_t outlier_count = 0;   ///< Input channels that stayed F16.
  TensorStatistics statistics;  ///< Only when QuantizeOptions::measure.
};

struct QuantizeReport {
  uint64_t source_bytes = 0;  ///< Of all source files.
  uint64_t output_bytes = 0;
  uint64_t tensor_count = 0;  ///< Of the source.
  uint64_t quantized_count = 0;
  uint64_t quantized_source_bytes = 0;  ///< Of the quantized tensors, before.
  uint64_t kept_count = 0;              ///< Floats that were not quantized.
  uint64_t other_count = 0;             ///< Tensors of other types, which are copied.
  uint64_t folded_count = 0;            ///< Linears whose smoothing lies in what comes before them.
  uint64_t stored_factor_count = 0;     ///< Linears whose smoothing factors are stored.
  uint64_t outlier_count = 0;           ///< Input channels that stayed F16, of all tensors.
  bool gguf_llama = false;              ///< Safetensors became a GGUF Llama, without a tokenizer.
  bool gguf_names_kept = false;         ///< Safetensors became GGUF under their own names.
  uint32_t threads = 0;
  double seconds = 0;
  std::vector<QuantizedTensor> tensors;  ///< In the source's order.
};

/// Quantizes `source`, opened from `input`, into a new file at `output`. Matrices of F32, F16 and
/// BF16 with both dimensions of kDimensionMin or more are quantized; names and metadata are kept.
/// Memory is a few pieces for each thread and the small outputs, whatever the model's size; the
/// bytes are the same for any number of threads. Nothing is left behind on failure:
/// kInvalidArgument when nothing can be quantized or options do not suit the source, kCorrupt for
/// weights that are not finite and activations that cannot be, kNotFound for activations that are
/// missing, kUnsupported for what the output cannot hold, kCancelled, kIo, kNoSpace.
/// `on_progress` runs on the calling thread.
Result<QuantizeReport> quantize_model(const ModelSource& source, const std::filesystem::path& input,
                                      const std::filesystem::path& output,
                                      const QuantizeOptions& options,
                                      const std::function<void(const PackProgress&)>& on_progress,
                                      std::stop_token stop);

}  // namespace qload::quantize
