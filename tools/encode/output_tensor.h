// A tensor of a model file that is about to be written, and the file before its values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "qload/tensor.h"

namespace qload::encode {

struct OutputTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;  ///< Outermost first.
  uint64_t bytes = 0;
  uint64_t offset = 0;  ///< From the start of the file; laying out the file fills it in.
};

/// `header` at offset 0, the tensors at theirs, zeros between.
struct OutputLayout {
  std::vector<std::byte> header;
  uint64_t file_bytes = 0;
};

}  // namespace qload::encode
