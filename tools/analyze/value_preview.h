// The values of a model's typical tensors, as they are and as INT8 would make them.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "qload/result.h"
#include "tools/analyze/chunked_model.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// Codes from -127 to 127 in bins of kCodes, and their order-0 entropy.
struct Int8Codes {
  ValueHistogram histogram;
  double bits_per_code = 0;
};

/// What quantizing a tensor of floats would give (encode_int8), with one scale, and with one for
/// each row.
struct Int8Preview {
  Int8Codes tensor_wise;
  std::optional<Int8Codes> row_wise;  ///< Nothing for vectors, and rows larger than a chunk.
};

struct ValuePreview {
  uint32_t tensor = 0;              ///< Of analysis.tensors.
  std::optional<Int8Preview> int8;  ///< Of F32, F16 and BF16.
};

/// The largest tensor of each kind whose values are counted, in the order of kinds. Tensors of a
/// few thousand values are left out where there are larger ones.
std::vector<uint32_t> typical_tensors(const ModelAnalysis& analysis);

/// Reads at most this much of each typical tensor of floats, spread over it.
inline constexpr uint64_t kPreviewBytesMax = 8ull << 20;

/// REQUIRES: analysis is that of model. kCancelled when `stop` is requested; errors of reading.
Result<std::vector<ValuePreview>> preview_values(const ChunkedModel& model,
                                                 const ModelAnalysis& analysis,
                                                 const std::stop_token& stop);

}  // namespace qload::analyze
