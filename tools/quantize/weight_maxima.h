// Passing over weights for their largest absolute values.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "qload/result.h"
#include "tools/quantize/weight_rows.h"

namespace qload::quantize {

/// One maximum for the matrix, or one for each row or column.
enum class MaximaOf : uint8_t { kMatrix, kRows, kColumns };

struct MaximaRequest {
  WeightMatrix matrix;
  MaximaOf of = MaximaOf::kMatrix;
  /// Rows that do not count, increasing.
  std::span<const uint32_t> skipped_rows = {};
};

/// The maxima of each request, in their order: 1, rows or columns of them; 0 where nothing counts.
/// `on_bytes` is told on the calling thread how much was read. Errors as of read_rows; kCancelled.
Result<std::vector<std::vector<float>>> find_maxima(const ModelSource& source,
                                                    std::span<const MaximaRequest> requests,
                                                    uint32_t threads,
                                                    const std::function<void(uint64_t)>& on_bytes,
                                                    const std::stop_token& stop);

}  // namespace qload::quantize
