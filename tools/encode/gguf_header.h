// Writing GGUF headers: key-values, and where each tensor lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "format/base/bytes.h"
#include "qload/tensor.h"
#include "tools/encode/output_tensor.h"

namespace qload::encode {

/// gguf.h: the default of general.alignment, and the only one written here.
inline constexpr uint64_t kGgufAlignment = 32;

/// The key-value part of a GGUF header.
class GgufKeyValues {
 public:
  void add(std::string_view key, uint32_t value);
  void add(std::string_view key, float value);
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const std::string& value) { add(key, std::string_view(value)); }
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, std::span<const std::string> values);
  /// A pair as it stands in another file: key, type and value.
  void add_raw(std::span<const std::byte> pair);

  uint64_t count() const { return count_; }
  std::span<const std::byte> bytes() { return writer_.bytes(); }

 private:
  ByteWriter writer_;
  uint64_t count_ = 0;
};

/// GGUF version 3. Places the tensors one after the other in their order.
/// REQUIRES: every dtype has a ggml_number().
OutputLayout lay_out_gguf_file(GgufKeyValues& keys, std::span<OutputTensor> tensors);

/// ggml.h, enum ggml_type; nothing for types that GGUF does not have.
std::optional<uint32_t> ggml_number(DType dtype);
/// llama.h, enum llama_ftype of a model whose matrices are mostly `dtype`; 0, which is F32's, for
/// others than F32, F16, BF16, Q8_0, Q4_0 and Q4_K.
uint32_t llama_file_type(DType dtype);

}  // namespace qload::encode
