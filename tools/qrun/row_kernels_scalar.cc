// The products in plain C++: what the others are compared with.
#include "format/base/bytes.h"
#include "tools/qrun/decode_row.h"
#include "tools/qrun/row_kernels.h"

namespace qload::qrun {
namespace {

// Elements decoded at once: a multiple of every block, small enough for the stack.
constexpr size_t kPieceElements = 256;

template <DType dtype, size_t block_elements, size_t block_bytes>
void multiply_rows(const std::byte* rows, size_t row_bytes, size_t row_count, const float* x,
                   size_t columns, float* out) {
  for (size_t row = 0; row < row_count; ++row, rows += row_bytes) {
    float sum = 0;
    for (size_t first = 0; first < columns; first += kPieceElements) {
      const size_t count = columns - first < kPieceElements ? columns - first : kPieceElements;
      float weights[kPieceElements];
      decode_row(dtype,
                 std::span(rows + first / block_elements * block_bytes,
                           count / block_elements * block_bytes),
                 std::span(weights, count));
      for (size_t i = 0; i < count; ++i) sum += weights[i] * x[first + i];
    }
    out[row] = sum;
  }
}

void multiply_integers(const std::byte* rows, size_t row_bytes, size_t row_count, const int8_t* x,
                       size_t columns, int32_t* out) {
  for (size_t row = 0; row < row_count; ++row, rows += row_bytes) {
    int32_t sum = 0;
    for (size_t i = 0; i < columns; ++i) sum += load_le<int8_t>(rows + i) * x[i];
    out[row] = sum;
  }
}

}  // namespace

constinit const RowKernels kRowScalar = {
    .name = "scalar",
    .f32 = multiply_rows<DType::kF32, 1, 4>,
    .f16 = multiply_rows<DType::kF16, 1, 2>,
    .bf16 = multiply_rows<DType::kBF16, 1, 2>,
    .i8 = multiply_rows<DType::kI8, 1, 1>,
    .q8_0 = multiply_rows<DType::kQ8_0, kBlockElements, kQ8BlockBytes>,
    .q4_0 = multiply_rows<DType::kQ4_0, kBlockElements, kQ4BlockBytes>,
    .i8_integers = multiply_integers,
};

}  // namespace qload::qrun
