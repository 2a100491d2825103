#include "format/base/format_text.h"
#include "tools/encode/safetensors_header.h"
#include "tools/synth/synth_layout.h"

namespace qload::synth {
namespace {

/// The fields of a Hugging Face config.json that a Llama engine needs.
std::string llama_config_text(const Architecture& a) {
  return text(R"({"model_type":"llama","num_hidden_layers":)", a.layers, R"(,"hidden_size":)",
              a.hidden, R"(,"intermediate_size":)", a.feed_forward, R"(,"num_attention_heads":)",
              a.heads, R"(,"num_key_value_heads":)", a.key_value_heads, R"(,"vocab_size":)",
              a.vocabulary, R"(,"max_position_embeddings":)", a.positions,
              R"(,"rms_norm_eps":1e-05,"rope_theta":10000.0,"hidden_act":"silu")",
              R"(,"tie_word_embeddings":false,"bos_token_id":1,"eos_token_id":2})");
}

encode::SafetensorsMetadata make_metadata(Encoding scheme, const Architecture& architecture) {
  encode::SafetensorsMetadata metadata = {{"format", "pt"}};
  if (architecture.family == Family::kLlama) {
    metadata.emplace_back("config", llama_config_text(architecture));
  }
  if (has_scales(scheme)) {
    metadata.emplace_back("quant", text(encoding_name(scheme),
                                        ": X_i8 = rint(127/max|X| * X); dequantise with *_scale"));
  }
  return metadata;
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
  std::vector<encode::OutputTensor> tensors;
  for (WeightSpec& spec : weights) {
    PlacedWeight& placed = layout.weights.emplace_back();
    placed.encoding = encoding_of(spec, scheme, false);
    placed.bytes = spec.rows * encoded_row_bytes(placed.encoding, spec.columns);
    encode::OutputTensor& tensor = tensors.emplace_back();
    tensor.name = spec.name;
    tensor.dtype = encoding_dtype(placed.encoding);
    if (!spec.is_vector) tensor.shape.push_back(spec.rows);
    tensor.shape.push_back(spec.columns);
    tensor.bytes = placed.bytes;
    placed.spec = std::move(spec);
  }
  // Behind them the scales of those that have some, in the same order.
  for (const PlacedWeight& weight : layout.weights) {
    if (!has_scales(weight.encoding)) continue;
    const uint64_t count = weight.encoding == Encoding::kInt8Tensor ? 1 : weight.spec.rows;
    tensors.push_back({.name = weight.spec.name + "_scale",
                       .dtype = DType::kF32,
                       .shape = {count},
                       .bytes = count * sizeof(float)});
  }
  encode::OutputLayout file =
      lay_out_safetensors_file(make_metadata(scheme, architecture), tensors);
  layout.header = std::move(file.header);
  layout.file_bytes = file.file_bytes;
  size_t scales = layout.weights.size();
  for (size_t i = 0; i < layout.weights.size(); ++i) {
    PlacedWeight& weight = layout.weights[i];
    weight.offset = tensors[i].offset;
    if (has_scales(weight.encoding)) weight.scale_offset = tensors[scales++].offset;
  }
  return layout;
}

}  // namespace qload::synth
