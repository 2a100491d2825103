// What a tensor is: element types, TensorInfo, views of tensor bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace qload {

/// Element type of a tensor. Values are frozen: they are stored in containers and cross the C
/// ABI. Types of safetensors stand below 256; a ggml block type T without a safetensors twin
/// is 256 + T, where T is ggml's own number (ggml.h, enum ggml_type).
enum class DType : uint16_t {
  kF32 = 1,
  kF16 = 2,
  kBF16 = 3,
  kF64 = 4,
  kI8 = 5,
  kU8 = 6,
  kI16 = 7,
  kU16 = 8,
  kI32 = 9,
  kU32 = 10,
  kI64 = 11,
  kU64 = 12,
  kBool = 13,
  kC64 = 14,
  kF8E4M3 = 15,
  kF8E5M2 = 16,
  kF8E8M0 = 17,
  kF8E4M3Fnuz = 18,
  kF8E5M2Fnuz = 19,
  kF6E2M3 = 20,
  kF6E3M2 = 21,
  kF4 = 22,
  kQ4_0 = 256 + 2,
  kQ4_1 = 256 + 3,
  kQ5_0 = 256 + 6,
  kQ5_1 = 256 + 7,
  kQ8_0 = 256 + 8,
  kQ8_1 = 256 + 9,
  kQ2_K = 256 + 10,
  kQ3_K = 256 + 11,
  kQ4_K = 256 + 12,
  kQ5_K = 256 + 13,
  kQ6_K = 256 + 14,
  kQ8_K = 256 + 15,
  kIQ2_XXS = 256 + 16,
  kIQ2_XS = 256 + 17,
  kIQ3_XXS = 256 + 18,
  kIQ1_S = 256 + 19,
  kIQ4_NL = 256 + 20,
  kIQ3_S = 256 + 21,
  kIQ2_S = 256 + 22,
  kIQ4_XS = 256 + 23,
  kIQ1_M = 256 + 29,
  kTQ1_0 = 256 + 34,
  kTQ2_0 = 256 + 35,
  kMXFP4 = 256 + 39,
  kNVFP4 = 256 + 40,
  kQ1_0 = 256 + 41,
  kQ2_0 = 256 + 42,
};

/// Facts about one element type. Elements are stored in blocks: `block_elements` consecutive
/// elements of a row take `block_bytes` bytes (1 element for ordinary types; 2 for F4, 4 for
/// F6, 32 to 256 for ggml's quantized types).
struct DTypeInfo {
  DType dtype;
  std::string_view name;    ///< As its file format spells it: "BF16", "F8_E4M3", "Q4_K".
  uint32_t block_elements;  ///< At least 1.
  uint32_t block_bytes;     ///< At least 1.
};

/// Facts about `dtype`, or null when this library does not know the value. Static storage.
const DTypeInfo* find_dtype(DType dtype);

/// All known types, in increasing order of value. Static storage.
std::span<const DTypeInfo> all_dtypes();

/// Layer and stack number of a tensor that belongs to no layer.
inline constexpr uint32_t kNoLayer = 0xFFFF'FFFF;

/// Digest of decoded content. `algorithm` 0 means none; 1 is XXH3-128 in its canonical
/// (big-endian) order in the first 16 bytes, the rest zero. It detects damage and mix-ups; it
/// is no defence against a forger.
struct Digest {
  uint32_t algorithm = 0;
  uint8_t bytes[32] = {};
  bool operator==(const Digest&) const = default;
};

/// What the index says about one tensor. Lives as long as the Model it came from.
struct TensorInfo {
  std::string_view name;
  std::span<const uint64_t> shape;  ///< Row-major, outermost dimension first.
  uint64_t bytes = 0;               ///< Size once decoded.
  uint64_t stored_bytes = 0;        ///< Size of its chunks, which equal tensors may share.
  uint32_t layer = kNoLayer;        ///< Number N of `model.layers.N.`; kNoLayer for embeddings etc.
  uint32_t stack = kNoLayer;        ///< Which stack of layers (encoder, decoder ...), from 0.
  DType dtype = DType::kU8;
  uint32_t file = 0;  ///< Which source file it came from.
  Digest digest;      ///< Of the decoded bytes.
};

/// Bytes of one row of `info`: its innermost dimension, as stored. The whole tensor is one row when
/// its shape does not tell (a scalar, rows that are not whole blocks); 0 for an empty tensor.
uint64_t row_bytes(const TensorInfo& info);
/// How many rows of row_bytes() it has; 0 for an empty tensor.
uint64_t row_count(const TensorInfo& info);

/// Borrowed bytes of one tensor: valid while the Weights that returned the view lives.
struct TensorView {
  const TensorInfo* info = nullptr;
  std::span<const std::byte> data;
};

/// Caller-owned memory for one tensor. REQUIRES: data.size() == TensorInfo::bytes.
struct Destination {
  std::string_view name;
  std::span<std::byte> data;
};

}  // namespace qload
