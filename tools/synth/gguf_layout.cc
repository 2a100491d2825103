#include "format/base/format_text.h"
#include "tools/encode/gguf_header.h"
#include "tools/synth/synth_layout.h"

namespace qload::synth {
namespace {

/// A vocabulary of made-up tokens: real headers carry one, and it is most of their size.
std::vector<std::string> make_tokens(uint32_t count) {
  std::vector<std::string> tokens;
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(text("<token_", i, ">"));
  return tokens;
}

void add_model_facts(encode::GgufKeyValues& values, const Architecture& a, Encoding scheme) {
  const std::string family = a.family == Family::kOpt ? "opt" : "llama";
  values.add("general.architecture", family);
  values.add("general.name", a.name);
  values.add("general.alignment", static_cast<uint32_t>(encode::kGgufAlignment));
  values.add("general.file_type", encode::llama_file_type(encoding_dtype(scheme)));
  values.add("general.quantization_version", 2u);
  values.add(family + ".context_length", a.positions);
  values.add(family + ".embedding_length", a.hidden);
  values.add(family + ".block_count", a.layers);
  values.add(family + ".feed_forward_length", a.feed_forward);
  values.add(family + ".attention.head_count", a.heads);
  values.add(family + ".attention.head_count_kv", a.key_value_heads);
  if (a.family == Family::kLlama) {
    values.add(family + ".attention.layer_norm_rms_epsilon", 1e-5f);
    values.add(family + ".rope.dimension_count", a.hidden / a.heads);
  } else {
    values.add(family + ".attention.layer_norm_epsilon", 1e-5f);
  }
  values.add(family + ".vocab_size", a.vocabulary);
  values.add("tokenizer.ggml.model", "llama");
  values.add("tokenizer.ggml.tokens", make_tokens(a.vocabulary));
}

}  // namespace

Result<SynthLayout> lay_out_gguf(std::vector<WeightSpec> weights, Encoding scheme,
                                 const Architecture& architecture) {
  if (has_scales(scheme)) {
    return Error(ErrorCode::kInvalidArgument, text("scheme ", encoding_name(scheme),
                                                   " is not GGUF's: give a .safetensors output"));
  }
  encode::GgufKeyValues values;
  add_model_facts(values, architecture, scheme);
  SynthLayout layout;
  std::vector<encode::OutputTensor> tensors;
  for (WeightSpec& spec : weights) {
    PlacedWeight& placed = layout.weights.emplace_back();
    placed.encoding = encoding_of(spec, scheme, true);
    placed.bytes = spec.rows * encoded_row_bytes(placed.encoding, spec.columns);
    encode::OutputTensor& tensor = tensors.emplace_back();
    tensor.name = spec.gguf_name;
    if (!spec.is_vector) tensor.shape.push_back(spec.rows);
    tensor.shape.push_back(spec.columns);
    tensor.dtype = encoding_dtype(placed.encoding);
    tensor.bytes = placed.bytes;
    placed.spec = std::move(spec);
  }
  encode::OutputLayout file = lay_out_gguf_file(values, tensors);
  layout.header = std::move(file.header);
  layout.file_bytes = file.file_bytes;
  for (size_t i = 0; i < tensors.size(); ++i) layout.weights[i].offset = tensors[i].offset;
  return layout;
}

}  // namespace qload::synth
