#include "bench/codec/weight_filter.h"

#include "format/filter/ggml_blocks.h"

namespace qload::bench {

FilterId weight_filter(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return FilterId::kFloatPlanes2;
    case DType::kF16:
    case DType::kI16:
    case DType::kU16:
      return FilterId::kBytePlanes2;
    case DType::kF32:
    case DType::kC64:
      return FilterId::kFloatPlanes4;
    case DType::kI32:
    case DType::kU32:
      return FilterId::kBytePlanes4;
    case DType::kF64:
    case DType::kI64:
    case DType::kU64:
      return FilterId::kBytePlanes8;
    default:
      return block_filter_of(dtype);
  }
}

}  // namespace qload::bench
