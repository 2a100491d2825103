// X.safetensors.index.json: which shard holds which tensor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qload/result.h"

namespace qload {

struct WeightMapEntry {
  std::string shard;  ///< A plain file name.
  std::string tensor;
};

/// Reads "weight_map" of an index; everything else in it is skipped. Sorted by shard, then tensor;
/// no tensor twice. Errors name the field and the offset, not the file.
Result<std::vector<WeightMapEntry>> read_weight_map(std::string_view json);

}  // namespace qload
