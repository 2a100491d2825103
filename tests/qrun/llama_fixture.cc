#include "tests/qrun/llama_fixture.h"

#include <cmath>
#include <cstring>
#include <random>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "tests/support/model_fixtures.h"
#include "tools/encode/half_float.h"

namespace qload::test {
namespace {

using encode::Encoding;

/// What the bytes of one row stand for, written independently of the engine.
std::vector<double> decode(Encoding encoding, const std::byte* row, uint64_t columns) {
  std::vector<double> out(columns);
  for (uint64_t i = 0; i < columns; ++i) {
    const uint64_t block = i / 32;
    const uint64_t in_block = i % 32;
    switch (encoding) {
      case Encoding::kF32:
        out[i] = load_le<float>(row + 4 * i);
        break;
      case Encoding::kF16:
        out[i] = encode::float_of_half(load_le<uint16_t>(row + 2 * i));
        break;
      case Encoding::kBF16: {
        const uint32_t bits = static_cast<uint32_t>(load_le<uint16_t>(row + 2 * i)) << 16;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        out[i] = value;
        break;
      }
      case Encoding::kQ8_0:
        out[i] = static_cast<double>(encode::float_of_half(load_le<uint16_t>(row + 34 * block))) *
                 load_le<int8_t>(row + 34 * block + 2 + in_block);
        break;
      case Encoding::kQ4_0: {
        const int pair = load_le<uint8_t>(row + 18 * block + 2 + in_block % 16);
        const int code = in_block < 16 ? pair & 15 : pair >> 4;
        out[i] = static_cast<double>(encode::float_of_half(load_le<uint16_t>(row + 18 * block))) *
                 (code - 8);
        break;
      }
      default:
        out[i] = load_le<int8_t>(row + i);
    }
  }
  return out;
}

/// Adds tensors with random values to a model.
class Maker {
 public:
  Maker(LlamaFixture& llama, Encoding encoding, uint64_t seed)
      : llama_(llama), encoding_(encoding), random_(seed) {}

  void vector(const std::string& name, const std::string& gguf_name, uint64_t size) {
    EncodedTensor tensor{.name = name, .gguf_name = gguf_name, .columns = size};
    std::vector<double>& values = llama_.dense.weights[name];
    ByteWriter writer;
    std::normal_distribution<float> normal(1.0f, 0.1f);
    for (uint64_t i = 0; i < size; ++i) {
      const float value = normal(random_);
      values.push_back(value);
      writer.write(value);
    }
    tensor.bytes = writer.bytes();
    llama_.tensors.push_back(std::move(tensor));
  }

  void matrix(const std::string& name, const std::string& gguf_name, uint64_t rows,
              uint64_t columns) {
    EncodedTensor tensor{.name = name,
                         .gguf_name = gguf_name,
                         .rows = rows,
                         .columns = columns,
                         .encoding = encoding_};
    std::normal_distribution<float> normal(0.0f, 1.5f / std::sqrt(static_cast<float>(columns)));
    std::vector<std::vector<float>> values(rows, std::vector<float>(columns));
    float largest = 0;
    for (auto& row : values) {
      for (float& value : row) largest = std::max(largest, std::abs(value = normal(random_)));
    }
    std::vector<double>& decoded = llama_.dense.weights[name];
    for (const auto& row : values) {
      std::vector<std::byte> bytes(encode::encoded_row_bytes(encoding_, columns));
      const float scale = encode::encode_row(encoding_, row, largest, bytes);
      const bool keep = encoding_ == Encoding::kInt8Channel ||
                        (encoding_ == Encoding::kInt8Tensor && tensor.scales.empty());
      if (keep) tensor.scales.push_back(scale);
      for (const double value : decode(encoding_, bytes.data(), columns)) {
        decoded.push_back(value * scale);
      }
      tensor.bytes.insert(tensor.bytes.end(), bytes.begin(), bytes.end());
    }
    llama_.tensors.push_back(std::move(tensor));
  }

 private:
  LlamaFixture& llama_;
  const Encoding encoding_;
  std::mt19937_64 random_;
};

/// Row h * size + 2 i + s of a head in GGUF is row h * size + s * size / 2 + i in safetensors.
std::vector<std::byte> permute_rows(const EncodedTensor& tensor, uint32_t head_size) {
  const uint64_t row_bytes = tensor.bytes.size() / tensor.rows;
  std::vector<std::byte> out(tensor.bytes.size());
  for (uint64_t row = 0; row < tensor.rows; ++row) {
    const uint64_t head = row / head_size;
    const uint64_t in_head = row % head_size;
    const uint64_t from = head * head_size + in_head % 2 * (head_size / 2) + in_head / 2;
    std::memcpy(out.data() + row * row_bytes, tensor.bytes.data() + from * row_bytes, row_bytes);
  }
  return out;
}

uint32_t ggml_type(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF16:
      return 1;
    case Encoding::kBF16:
      return 30;
    case Encoding::kQ8_0:
      return 8;
    case Encoding::kQ4_0:
      return 2;
    default:
      return 0;
  }
}

const char* dtype_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF16:
      return "F16";
    case Encoding::kBF16:
      return "BF16";
    case Encoding::kInt8Tensor:
    case Encoding::kInt8Channel:
      return "I8";
    default:
      return "F32";
  }
}

}  // namespace

LlamaFixture make_llama(Encoding encoding, bool tied, uint64_t seed) {
  LlamaFixture llama;
  DenseLlama& d = llama.dense;
  d.tied = tied;
  Maker maker(llama, encoding, seed);
  maker.matrix("model.embed_tokens.weight", "token_embd.weight", d.vocabulary, d.hidden);
  const uint64_t query = uint64_t{d.heads} * d.head_size;
  const uint64_t key_value = uint64_t{d.key_value_heads} * d.head_size;
  for (uint32_t layer = 0; layer < d.layers; ++layer) {
    const std::string name = text("model.layers.", layer, ".");
    const std::string gguf = text("blk.", layer, ".");
    maker.vector(name + "input_layernorm.weight", gguf + "attn_norm.weight", d.hidden);
    maker.matrix(name + "self_attn.q_proj.weight", gguf + "attn_q.weight", query, d.hidden);
    maker.matrix(name + "self_attn.k_proj.weight", gguf + "attn_k.weight", key_value, d.hidden);
    maker.matrix(name + "self_attn.v_proj.weight", gguf + "attn_v.weight", key_value, d.hidden);
    maker.matrix(name + "self_attn.o_proj.weight", gguf + "attn_output.weight", d.hidden, query);
    maker.vector(name + "post_attention_layernorm.weight", gguf + "ffn_norm.weight", d.hidden);
    maker.matrix(name + "mlp.gate_proj.weight", gguf + "ffn_gate.weight", d.feed_forward, d.hidden);
    maker.matrix(name + "mlp.up_proj.weight", gguf + "ffn_up.weight", d.feed_forward, d.hidden);
    maker.matrix(name + "mlp.down_proj.weight", gguf + "ffn_down.weight", d.hidden, d.feed_forward);
  }
  maker.vector("model.norm.weight", "output_norm.weight", d.hidden);
  if (!tied) maker.matrix("lm_head.weight", "output.weight", d.vocabulary, d.hidden);
  return llama;
}

std::string config_json(const DenseLlama& d) {
  return text(R"({"model_type":"llama","num_hidden_layers":)", d.layers, R"(,"hidden_size":)",
              d.hidden, R"(,"intermediate_size":)", d.feed_forward, R"(,"num_attention_heads":)",
              d.heads, R"(,"num_key_value_heads":)", d.key_value_heads, R"(,"vocab_size":)",
              d.vocabulary, R"(,"max_position_embeddings":128,"rms_norm_eps":1e-05,)",
              R"("rope_theta":10000.0,"tie_word_embeddings":)", d.tied ? "true" : "false",
              R"(,"bos_token_id":1,"eos_token_id":2})");
}

std::vector<std::byte> as_safetensors(const LlamaFixture& llama, bool with_config) {
  SafetensorsBuilder builder;
  if (with_config) builder.metadata("config", config_json(llama.dense));
  for (const EncodedTensor& tensor : llama.tensors) {
    std::vector<uint64_t> shape{tensor.columns};
    if (tensor.rows != 0) shape.insert(shape.begin(), tensor.rows);
    builder.add(tensor.name, dtype_name(tensor.encoding), shape, tensor.bytes);
    for (const EncodedTensor::Companion& companion : tensor.companions) {
      builder.add(tensor.name + companion.suffix, companion.dtype, companion.shape,
                  companion.bytes);
    }
    if (tensor.scales.empty()) continue;
    const auto scales = std::as_bytes(std::span(tensor.scales));
    const bool as_list = tensor.scale_shape.empty();
    builder.add(tensor.name + "_scale", "F32",
                as_list ? std::vector<uint64_t>{tensor.scales.size()} : tensor.scale_shape,
                {scales.begin(), scales.end()});
  }
  return builder.build();
}

std::vector<std::byte> as_gguf(const LlamaFixture& llama) {
  const DenseLlama& d = llama.dense;
  GgufBuilder builder;
  builder.add_string("general.architecture", "llama")
      .add_u32("llama.block_count", d.layers)
      .add_u32("llama.embedding_length", d.hidden)
      .add_u32("llama.feed_forward_length", d.feed_forward)
      .add_u32("llama.context_length", 128)
      .add_u32("llama.attention.head_count", d.heads)
      .add_u32("llama.attention.head_count_kv", d.key_value_heads)
      .add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .add_u32("llama.vocab_size", d.vocabulary);
  for (const EncodedTensor& tensor : llama.tensors) {
    std::vector<uint64_t> ne{tensor.columns};
    if (tensor.rows != 0) ne.push_back(tensor.rows);
    const bool rotated = tensor.name.find("q_proj") != std::string::npos ||
                         tensor.name.find("k_proj") != std::string::npos;
    builder.add_tensor(tensor.gguf_name, ggml_type(tensor.encoding), ne,
                       rotated ? permute_rows(tensor, d.head_size) : tensor.bytes);
  }
  return builder.build();
}

}  // namespace qload::test
