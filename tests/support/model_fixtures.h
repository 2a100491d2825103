// Small model files made in memory: builders for safetensors and GGUF, and one model of each kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qload::test {

/// Lays out a safetensors file. Tensors stand in the data section in the order they are added.
/// Nothing is checked: a wrong shape or dtype gives a wrong file.
class SafetensorsBuilder {
 public:
  SafetensorsBuilder& add(std::string_view name, std::string_view dtype,
                          std::vector<uint64_t> shape, std::vector<std::byte> bytes);
  /// One string pair of "__metadata__".
  SafetensorsBuilder& metadata(std::string_view key, std::string_view value);
  /// Spaces are appended until the header's length is a multiple of this (default 8; 1 for none).
  SafetensorsBuilder& header_alignment(uint64_t alignment);
  std::vector<std::byte> build() const;

 private:
  struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<uint64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::vector<Tensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  uint64_t header_alignment_ = 8;
};

/// A safetensors file with this header text (taken as it is) and this data: for broken files.
std::vector<std::byte> safetensors_file(std::string_view header, std::span<const std::byte> data);

/// Numbers of GGUF's key-value types (ggml's gguf.h, enum gguf_type).
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

/// Lays out a GGUF file. Tensors stand in the data section in the order they are added, each
/// padded to the alignment. Nothing is checked: wrong arguments give a wrong file.
class GgufBuilder {
 public:
  GgufBuilder& version(uint32_t number);
  /// Adds the key general.alignment too. Default: 32 and no key.
  GgufBuilder& alignment(uint32_t bytes);

  GgufBuilder& add_u8(std::string_view key, uint8_t value);
  GgufBuilder& add_u32(std::string_view key, uint32_t value);
  GgufBuilder& add_u64(std::string_view key, uint64_t value);
  GgufBuilder& add_i32(std::string_view key, int32_t value);
  GgufBuilder& add_f32(std::string_view key, float value);
  GgufBuilder& add_bool(std::string_view key, bool value);
  GgufBuilder& add_string(std::string_view key, std::string_view value);
  GgufBuilder& add_string_array(std::string_view key, const std::vector<std::string>& values);
  /// An array of `count` fixed-width elements, whose little-endian bytes are `values`.
  GgufBuilder& add_array(std::string_view key, GgufValueType element, uint64_t count,
                         std::span<const std::byte> values);
  /// Any key-value pair: a type number and the value's bytes as they stand in the file.
  GgufBuilder& add_value(std::string_view key, uint32_t type, std::span<const std::byte> value);

  /// `ne` is in ggml's order, innermost first. `ggml_type` is ggml's number (0 F32, 1 F16, 8 Q8_0).
  GgufBuilder& add_tensor(std::string_view name, uint32_t ggml_type, std::vector<uint64_t> ne,
                          std::vector<std::byte> bytes);
  /// False ends the file right after the last tensor's bytes. Default: the last one is padded too.
  GgufBuilder& pad_end(bool pad);
  std::vector<std::byte> build() const;

 private:
  struct Value {
    std::string key;
    uint32_t type;
    std::vector<std::byte> bytes;
  };
  struct Tensor {
    std::string name;
    uint32_t type;
    std::vector<uint64_t> ne;
    std::vector<std::byte> bytes;
  };
  std::vector<Value> values_;
  std::vector<Tensor> tensors_;
  uint32_t version_ = 3;
  uint32_t alignment_ = 32;
  bool pad_end_ = true;
};

/// A Llama-like INT8 model as safetensors, about 900 KB: model.embed_tokens.weight I8 [1280, 256]
/// (320 KiB: large enough to be stored aligned), three layers `model.layers.N.` of I8 weights with
/// F32 scales and F32 norms, lm_head.weight U8 of random bytes (does not compress) [1152, 256],
/// and one each of: BF16, F16, F64, I64, all zero, empty, scalar.
std::vector<std::byte> small_int8_model(uint64_t seed);

/// A GGUF model of about 300 KB: a vocabulary, blk.N. tensors in F32, F16, BF16, Q8_0, Q4_0, Q6_K.
std::vector<std::byte> small_gguf_model(uint64_t seed);

}  // namespace qload::test
