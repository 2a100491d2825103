// Rows of float to the bytes of a scheme: plain floats, INT8 with scales, ggml blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "qload/tensor.h"

namespace qload::encode {

enum class Encoding : uint8_t { kF32, kF16, kBF16, kInt8Tensor, kInt8Channel, kQ8_0, kQ4_0, kQ4_K };

/// The encoding `--scheme` names, e.g. "int8_tensor".
std::optional<Encoding> find_encoding(std::string_view scheme);
std::string_view encoding_name(Encoding encoding);
DType encoding_dtype(Encoding encoding);

/// Bytes of a row of `columns` elements. REQUIRES: whole blocks.
uint64_t encoded_row_bytes(Encoding encoding, uint64_t columns);

/// True for the INT8 schemes, which keep F32 scales beside the weights.
bool has_scales(Encoding encoding);

/// Encodes one row. `absolute_max` is the tensor's, for kInt8Tensor. Returns the factor that
/// gives back the weights (max / 127) for the INT8 schemes, else 1.
/// REQUIRES: out.size() == encoded_row_bytes(encoding, row.size()).
float encode_row(Encoding encoding, std::span<const float> row, float absolute_max,
                 std::span<std::byte> out);

}  // namespace qload::encode
