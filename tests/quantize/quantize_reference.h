// Every scheme written a second time, as its definition says it: one weight after the other, with
// the standard library's rounding, sharing nothing with tools/.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/quantize/quantize_fixture.h"

namespace qload::test {

struct ReferenceInt8 {
  std::vector<int8_t> codes;
  std::vector<float> scales;
};

enum class ScaleOf { kMatrix, kRow, kColumn };

/// Equations 2 and 4 of the paper; weights whose `skipped` is set count as zero.
ReferenceInt8 reference_int8(const std::vector<float>& weights, uint64_t columns, ScaleOf scale_of,
                             const std::vector<bool>& skipped = {});

/// Blocks of ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref.
std::vector<std::byte> reference_q8_0(const std::vector<float>& weights);
std::vector<std::byte> reference_q4_0(const std::vector<float>& weights);

/// The nearest half, found by trying all of them.
uint16_t reference_half(float value);

}  // namespace qload::test
