// What a tensor is for, by its name and shape: groups that compress alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "qload/tensor.h"

namespace qload {

enum class TensorRole : uint8_t {
  kEmbedding,  ///< Tables of tokens and positions; the head that mirrors them.
  kLinear,     ///< Matrices.
  kNorm,
  kBias,
  kScale,  ///< Of quantized weights that are stored beside them.
  kOther,
};
inline constexpr size_t kTensorRoleCount = 6;

/// A guess from names that common models use; never wrong about the bytes, only about the word.
TensorRole tensor_role(std::string_view name, size_t rank);
/// "embedding", "linear" ... Static storage.
std::string_view tensor_role_name(TensorRole role);

/// The name without the numbers that stand between dots or slashes: equal for the same tensor of
/// every layer. "h.0.fc1" becomes "h..fc1".
std::string name_without_numbers(std::string_view name);

}  // namespace qload
