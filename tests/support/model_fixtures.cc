#include "tests/support/model_fixtures.h"

#include <algorithm>
#include <cstring>

#include "format/base/bytes.h"
#include "tests/support/test_files.h"

namespace qload::test {

namespace {

constexpr uint32_t kGgmlF32 = 0;
constexpr uint32_t kGgmlF16 = 1;
constexpr uint32_t kGgmlQ4_0 = 2;
constexpr uint32_t kGgmlQ8_0 = 8;
constexpr uint32_t kGgmlQ6_K = 14;
constexpr uint32_t kGgmlBf16 = 30;

/// A JSON string: quotes, backslashes and control characters escaped.
std::string json_string(std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : value) {
    auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20) {
      out += "\\u00";
      out += kHex[code >> 4];
      out += kHex[code & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

void append_gguf_string(ByteWriter& out, std::string_view value) {
  out.write<uint64_t>(value.size());
  out.write_bytes(as_byte_span(value));
}

/// Values near a trained F16 tensor's: the upper half of each F32, moved to F16's exponent range.
std::vector<std::byte> gaussian_f16(size_t count, double sigma, uint64_t seed) {
  auto wide = gaussian_f32(count, sigma, seed);
  std::vector<std::byte> bytes(count * 2);
  for (size_t i = 0; i < count; ++i) {
    auto bits = load_le<uint32_t>(wide.data() + 4 * i);
    // F32's exponent bias is 127, F16's is 15; values below F16's normal range become zero.
    int exponent = static_cast<int>((bits >> 23) & 255) - 127 + 15;
    uint32_t half =
        exponent <= 0 ? 0 : (static_cast<uint32_t>(exponent) << 10) | ((bits >> 13) & 0x3FF);
    half |= (bits >> 16) & 0x8000;
    store_le(bytes.data() + 2 * i, static_cast<uint16_t>(half));
  }
  return bytes;
}

std::vector<std::byte> zeros(size_t count) { return std::vector<std::byte>(count); }

/// Blocks of a quantized type: an F16 scale of 2 bytes at the block's front, random bytes behind.
std::vector<std::byte> quantized_blocks(size_t blocks, size_t block_bytes, uint64_t seed) {
  auto bytes = random_bytes(blocks * block_bytes, seed);
  auto scales = gaussian_f16(blocks, 0.01, seed + 1);
  for (size_t i = 0; i < blocks; ++i) {
    std::memcpy(bytes.data() + i * block_bytes, scales.data() + 2 * i, 2);
  }
  return bytes;
}

}  // namespace

SafetensorsBuilder& SafetensorsBuilder::add(std::string_view name, std::string_view dtype,
                                            std::vector<uint64_t> shape,
                                            std::vector<std::byte> bytes) {
  tensors_.push_back({std::string(name), std::string(dtype), std::move(shape), std::move(bytes)});
  return *this;
}

SafetensorsBuilder& SafetensorsBuilder::metadata(std::string_view key, std::string_view value) {
  metadata_.emplace_back(key, value);
  return *this;
}

SafetensorsBuilder& SafetensorsBuilder::header_alignment(uint64_t alignment) {
  header_alignment_ = alignment;
  return *this;
}

std::vector<std::byte> SafetensorsBuilder::build() const {
  std::string header = "{";
  if (!metadata_.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata_) {
      if (header.back() != '{') header += ',';
      header += json_string(key) + ':' + json_string(value);
    }
    header += '}';
  }
  std::vector<std::byte> data;
  for (const auto& tensor : tensors_) {
    if (header.back() != '{') header += ',';
    header +=
        json_string(tensor.name) + ":{\"dtype\":" + json_string(tensor.dtype) + ",\"shape\":[";
    for (uint64_t dimension : tensor.shape) {
      if (header.back() != '[') header += ',';
      header += std::to_string(dimension);
    }
    header += "],\"data_offsets\":[" + std::to_string(data.size()) + ',' +
              std::to_string(data.size() + tensor.bytes.size()) + "]}";
    data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
  }
  header += '}';
  while (header.size() % header_alignment_ != 0) header += ' ';
  return safetensors_file(header, data);
}

std::vector<std::byte> safetensors_file(std::string_view header, std::span<const std::byte> data) {
  ByteWriter out;
  out.write<uint64_t>(header.size());
  out.write_bytes(as_byte_span(header));
  out.write_bytes(data);
  return std::move(out.bytes());
}

GgufBuilder& GgufBuilder::version(uint32_t number) {
  version_ = number;
  return *this;
}

GgufBuilder& GgufBuilder::alignment(uint32_t bytes) {
  alignment_ = bytes;
  return add_u32("general.alignment", bytes);
}

GgufBuilder& GgufBuilder::add_value(std::string_view key, uint32_t type,
                                    std::span<const std::byte> value) {
  values_.push_back({std::string(key), type, {value.begin(), value.end()}});
  return *this;
}

GgufBuilder& GgufBuilder::add_u8(std::string_view key, uint8_t value) {
  return add_value(key, static_cast<uint32_t>(GgufValueType::kUint8),
                   std::as_bytes(std::span(&value, 1)));
}
GgufBuilder& GgufBuilder::add_u32(std::string_view key, uint32_t value) {
  return add_value(key, static_cast<uint32_t>(GgufValueType::kUint32),
                   std::as_bytes(std::span(&value, 1)));
}
GgufBuilder& GgufBuilder::add_u64(std::string_view key, uint64_t value) {
  return add_value(key, static_cast<uint32_t>(GgufValueType::kUint64),
                   std::as_bytes(std::span(&value, 1)));
}
GgufBuilder& GgufBuilder::add_i32(std::string_view key, int32_t value) {
  return add_value(key, static_cast<uint32_t>(GgufValueType::kInt32),
                   std::as_bytes(std::span(&value, 1)));
}
GgufBuilder& GgufBuilder::add_f32(std::string_view key, float value) {
  return add_value(key, static_cast<uint32_t>(GgufValueType::kFloat32),
                   std::as_bytes(std::span(&value, 1)));
}
GgufBuilder& GgufBuilder::add_bool(std::string_view key, bool value) {
  uint8_t byte = value ? 1 : 0;
  return add_value(key, static_cast<uint32_t>(GgufValueType::kBool),
                   std::as_bytes(std::span(&byte, 1)));
}

GgufBuilder& GgufBuilder::add_string(std::string_view key, std::string_view value) {
  ByteWriter out;
  append_gguf_string(out, value);
  return add_value(key, static_cast<uint32_t>(GgufValueType::kString), out.bytes());
}

GgufBuilder& GgufBuilder::add_string_array(std::string_view key,
                                           const std::vector<std::string>& values) {
  ByteWriter out;
  for (const auto& value : values) append_gguf_string(out, value);
  return add_array(key, GgufValueType::kString, values.size(), out.bytes());
}

GgufBuilder& GgufBuilder::add_array(std::string_view key, GgufValueType element, uint64_t count,
                                    std::span<const std::byte> values) {
  ByteWriter out;
  out.write(static_cast<uint32_t>(element));
  out.write(count);
  out.write_bytes(values);
  return add_value(key, static_cast<uint32_t>(GgufValueType::kArray), out.bytes());
}

GgufBuilder& GgufBuilder::add_tensor(std::string_view name, uint32_t ggml_type,
                                     std::vector<uint64_t> ne, std::vector<std::byte> bytes) {
  tensors_.push_back({std::string(name), ggml_type, std::move(ne), std::move(bytes)});
  return *this;
}

GgufBuilder& GgufBuilder::pad_end(bool pad) {
  pad_end_ = pad;
  return *this;
}

std::vector<std::byte> GgufBuilder::build() const {
  ByteWriter out;
  out.write_bytes(as_byte_span("GGUF"));
  out.write(version_);
  out.write<uint64_t>(tensors_.size());
  out.write<uint64_t>(values_.size());
  for (const auto& value : values_) {
    append_gguf_string(out, value.key);
    out.write(value.type);
    out.write_bytes(value.bytes);
  }
  uint64_t offset = 0;
  for (const auto& tensor : tensors_) {
    append_gguf_string(out, tensor.name);
    out.write(static_cast<uint32_t>(tensor.ne.size()));
    for (uint64_t dimension : tensor.ne) out.write(dimension);
    out.write(tensor.type);
    out.write(offset);
    offset += (tensor.bytes.size() + alignment_ - 1) / alignment_ * alignment_;
  }
  out.pad_to(alignment_);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    out.write_bytes(tensors_[i].bytes);
    if (i + 1 < tensors_.size() || pad_end_) out.pad_to(alignment_);
  }
  return std::move(out.bytes());
}

std::vector<std::byte> small_int8_model(uint64_t seed) {
  SafetensorsBuilder model;
  model.metadata("format", "pt");
  auto linear = [&](const std::string& name, uint64_t rows, uint64_t columns, double sigma) {
    model.add(name + ".weight", "I8", {rows, columns},
              gaussian_int8(rows * columns, sigma, ++seed));
    model.add(name + ".weight_scale", "F32", {rows, 1}, gaussian_f32(rows, 0.01, ++seed));
  };
  model.add("model.embed_tokens.weight", "I8", {1280, 256}, gaussian_int8(1280 * 256, 9.0, ++seed));
  model.add("model.embed_tokens.weight_scale", "F32", {}, gaussian_f32(1, 0.01, ++seed));
  for (int layer = 0; layer < 3; ++layer) {
    std::string prefix = "model.layers." + std::to_string(layer) + ".";
    model.add(prefix + "input_layernorm.weight", "F32", {128}, gaussian_f32(128, 0.3, ++seed));
    linear(prefix + "self_attn.q_proj", 128, 128, 8.0);
    linear(prefix + "self_attn.k_proj", 64, 128, 10.0);
    linear(prefix + "self_attn.v_proj", 64, 128, 12.0);
    linear(prefix + "self_attn.o_proj", 128, 128, 7.0);
    linear(prefix + "mlp.gate_proj", 160, 128, 6.0);
    linear(prefix + "mlp.down_proj", 128, 160, 30.0);
  }
  model.add("model.norm.weight", "F32", {128}, gaussian_f32(128, 0.3, ++seed));
  model.add("lm_head.weight", "U8", {1152, 256}, random_bytes(1152 * 256, ++seed));
  model.add("extra.bf16", "BF16", {33, 65}, gaussian_bf16(33 * 65, 0.02, ++seed));
  model.add("extra.f16", "F16", {64, 48}, gaussian_f16(64 * 48, 0.02, ++seed));
  model.add("extra.f64", "F64", {7, 11}, random_bytes(7 * 11 * 8, ++seed));
  model.add("extra.i64", "I64", {5}, zeros(5 * 8));
  model.add("extra.zeros", "I8", {300, 100}, zeros(300 * 100));
  model.add("extra.empty", "F32", {0, 16}, {});
  model.add("extra.scalar", "F16", {}, gaussian_f16(1, 1.0, ++seed));
  return model.build();
}

std::vector<std::byte> small_gguf_model(uint64_t seed) {
  GgufBuilder model;
  model.add_string("general.architecture", "llama");
  model.add_string("general.name", "small test model");
  model.add_u32("llama.block_count", 2);
  model.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  model.add_bool("tokenizer.ggml.add_bos_token", true);
  std::vector<std::string> tokens;
  for (int i = 0; i < 100; ++i) tokens.push_back("token " + std::to_string(i));
  model.add_string_array("tokenizer.ggml.tokens", tokens);
  model.add_array("tokenizer.ggml.scores", GgufValueType::kFloat32, 100,
                  gaussian_f32(100, 1, seed));
  model.add_tensor("token_embd.weight", kGgmlQ8_0, {256, 400},
                   quantized_blocks(8 * 400, 34, ++seed));
  for (int layer = 0; layer < 2; ++layer) {
    std::string prefix = "blk." + std::to_string(layer) + ".";
    model.add_tensor(prefix + "attn_norm.weight", kGgmlF32, {255}, gaussian_f32(255, 0.3, ++seed));
    model.add_tensor(prefix + "attn_q.weight", kGgmlQ4_0, {256, 128},
                     quantized_blocks(8 * 128, 18, ++seed));
    model.add_tensor(prefix + "attn_k.weight", kGgmlF16, {64, 128},
                     gaussian_f16(64 * 128, 0.02, ++seed));
    model.add_tensor(prefix + "ffn_down.weight", kGgmlQ6_K, {256, 64},
                     quantized_blocks(64, 210, ++seed));
    model.add_tensor(prefix + "ffn_up.weight", kGgmlBf16, {256, 63},
                     gaussian_bf16(256 * 63, 0.02, ++seed));
  }
  model.add_tensor("output_norm.weight", kGgmlF32, {256}, zeros(1024));
  return model.build();
}

}  // namespace qload::test
