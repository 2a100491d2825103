// The last pass: every tensor is read, encoded and written to its place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "format/base/file.h"
#include "format/input/model_source.h"
#include "qload/result.h"
#include "tools/encode/output_tensor.h"
#include "tools/quantize/piece_encoder.h"
#include "tools/quantize/quantization_statistics.h"
#include "tools/quantize/tensor_plan.h"

namespace qload::quantize {

struct WriteWork {
  const ModelSource& source;
  std::span<const TensorPlan> plans;
  std::span<const MatrixSteps> steps;  ///< One for each plan.
  std::span<const encode::OutputTensor> outputs;
  uint32_t threads = 1;
  bool measure = false;
  std::function<void(uint64_t)> on_bytes;  ///< Source bytes, on the calling thread.
  std::stop_token stop = {};
};

/// Writes all outputs to `file`, in parallel, in memory of a few pieces for each thread; the bytes
/// do not depend on their number. Returns the figures of quantized tensors by plan, when
/// `measure`. Errors name the tensor.
Result<std::vector<std::optional<TensorStatistics>>> write_weights(const WriteWork& work,
                                                                   AtomicFile& file);

}  // namespace qload::quantize
