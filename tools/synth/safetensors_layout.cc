#include <algorithm>
#include <cstring>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "tools/synth/synth_layout.h"

namespace qload::synth {
namespace {

/// One entry of the safetensors header.
struct HeaderEntry {
  std::string name;
  DType dtype;
  std::string shape;  ///< "[2,3]"
  uint64_t bytes;
  size_t weight;  ///< Number of the weight it is, or whose scales it is.
  bool scales;
};

std::string shape_text(const WeightSpec& spec) {
  if (spec.is_vector) return text("[", spec.columns, "]");
  return text("[", spec.rows, ",", spec.columns, "]");
}

std::vector<HeaderEntry> list_entries(const std::vector<PlacedWeight>& weights) {
  std::vector<HeaderEntry> entries;
  for (size_t i = 0; i < weights.size(); ++i) {
    const PlacedWeight& weight = weights[i];
    entries.push_back({weight.spec.name, encoding_dtype(weight.encoding), shape_text(weight.spec),
                       weight.bytes, i, false});
    if (has_scales(weight.encoding)) {
      const uint64_t count = weight.encoding == Encoding::kInt8Tensor ? 1 : weight.spec.rows;
      entries.push_back({weight.spec.name + "_scale", DType::kF32, text("[", count, "]"),
                         count * sizeof(float), i, true});
    }
  }
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    const auto wide_a = find_dtype(a.dtype)->block_bytes;
    const auto wide_b = find_dtype(b.dtype)->block_bytes;
    return wide_a != wide_b ? wide_a > wide_b : a.name < b.name;
  });
  return entries;
}

/// The fields of a Hugging Face config.json that a Llama engine needs, as the text of a JSON
/// string.
std::string llama_config_text(const Architecture& a) {
  return text(R"({\"model_type\":\"llama\",\"num_hidden_layers\":)", a.layers,
              R"(,\"hidden_size\":)", a.hidden, R"(,\"intermediate_size\":)", a.feed_forward,
              R"(,\"num_attention_heads\":)", a.heads, R"(,\"num_key_value_heads\":)",
              a.key_value_heads, R"(,\"vocab_size\":)", a.vocabulary,
              R"(,\"max_position_embeddings\":)", a.positions,
              R"(,\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"hidden_act\":\"silu\")",
              R"(,\"tie_word_embeddings\":false,\"bos_token_id\":1,\"eos_token_id\":2})");
}

std::string metadata_text(Encoding scheme, const Architecture& architecture) {
  std::string out = "{\"__metadata__\":{\"format\":\"pt\"";
  if (architecture.family == Family::kLlama) {
    out += text(",\"config\":\"", llama_config_text(architecture), "\"");
  }
  if (has_scales(scheme)) {
    out += text(",\"quant\":\"", encoding_name(scheme),
                ": X_i8 = rint(127/max|X| * X); dequantise with *_scale\"");
  }
  return out + "}";
}

}  // namespace

Encoding encoding_of(const WeightSpec& spec, Encoding scheme, bool gguf) {
  // As ggml's converter does: a row that is not whole blocks of 256 gets a type with small ones.
  const bool small_blocks = scheme == Encoding::kQ4_K && spec.columns % 256 != 0;
  if (!spec.is_vector) return small_blocks ? Encoding::kQ4_0 : scheme;
  const bool plain = scheme == Encoding::kBF16 || scheme == Encoding::kF16;
  return plain && !gguf ? scheme : Encoding::kF32;
}

Result<SynthLayout> lay_out_safetensors(std::vector<WeightSpec> weights, Encoding scheme,
                                        const Architecture& architecture) {
  if (scheme == Encoding::kQ8_0 || scheme == Encoding::kQ4_0 || scheme == Encoding::kQ4_K) {
    return Error(ErrorCode::kInvalidArgument,
                 text("scheme ", encoding_name(scheme), " is GGUF's: give a .gguf output"));
  }
  SynthLayout layout;
  for (WeightSpec& spec : weights) {
    PlacedWeight placed;
    placed.encoding = encoding_of(spec, scheme, false);
    placed.bytes = spec.rows * encoded_row_bytes(placed.encoding, spec.columns);
    placed.spec = std::move(spec);
    layout.weights.push_back(std::move(placed));
  }
  const std::vector<HeaderEntry> entries = list_entries(layout.weights);
  std::string json = metadata_text(scheme, architecture);
  uint64_t place = 0;
  for (const HeaderEntry& entry : entries) {
    json += text(",\"", entry.name, "\":{\"dtype\":\"", find_dtype(entry.dtype)->name,
                 "\",\"shape\":", entry.shape, ",\"data_offsets\":[", place, ",",
                 place + entry.bytes, "]}");
    place += entry.bytes;
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');  // The safetensors library pads to 8 bytes.

  layout.header.resize(sizeof(uint64_t) + json.size());
  store_le<uint64_t>(layout.header.data(), json.size());
  std::memcpy(layout.header.data() + sizeof(uint64_t), json.data(), json.size());
  uint64_t offset = layout.header.size();
  for (const HeaderEntry& entry : entries) {
    PlacedWeight& weight = layout.weights[entry.weight];
    (entry.scales ? weight.scale_offset : weight.offset) = offset;
    offset += entry.bytes;
  }
  layout.file_bytes = offset;
  return layout;
}

}  // namespace qload::synth
