#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "tools/synth/synth_layout.h"

namespace qload::synth {
namespace {

// gguf.h: version, value types, and the default of general.alignment.
constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kGgufVersion = 3;
constexpr uint64_t kGgufAlignment = 32;
enum class ValueType : uint32_t { kU32 = 4, kF32 = 6, kText = 8, kArray = 9 };

// ggml.h, enum ggml_type.
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
    case Encoding::kQ4_K:
      return 12;
    default:
      return 0;
  }
}

// llama.h, enum llama_ftype.
uint32_t file_type(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF16:
      return 1;
    case Encoding::kBF16:
      return 32;
    case Encoding::kQ8_0:
      return 7;
    case Encoding::kQ4_0:
      return 2;
    case Encoding::kQ4_K:
      return 14;  // LLAMA_FTYPE_MOSTLY_Q4_K_S
    default:
      return 0;
  }
}

/// The key-value part of a GGUF header.
class KeyValues {
 public:
  void add(std::string_view key, uint32_t value) {
    open(key, ValueType::kU32);
    writer_.write(value);
  }
  void add(std::string_view key, float value) {
    open(key, ValueType::kF32);
    writer_.write(value);
  }
  void add(std::string_view key, std::string_view value) {
    open(key, ValueType::kText);
    write_text(value);
  }
  /// A vocabulary of made-up tokens: real headers carry one, and it is most of their size.
  void add_tokens(std::string_view key, uint32_t count) {
    open(key, ValueType::kArray);
    writer_.write(ValueType::kText);
    writer_.write<uint64_t>(count);
    for (uint32_t i = 0; i < count; ++i) write_text(text("<token_", i, ">"));
  }
  void write_text(std::string_view value) {
    writer_.write<uint64_t>(value.size());
    writer_.write_bytes(as_byte_span(value));
  }
  uint64_t count() const { return count_; }
  ByteWriter& writer() { return writer_; }

 private:
  void open(std::string_view key, ValueType type) {
    write_text(key);
    writer_.write(type);
    ++count_;
  }
  ByteWriter writer_;
  uint64_t count_ = 0;
};

void add_model_facts(KeyValues& values, const Architecture& a, Encoding scheme) {
  const std::string family = a.family == Family::kOpt ? "opt" : "llama";
  values.add("general.architecture", std::string_view(family));
  values.add("general.name", a.name);
  values.add("general.alignment", static_cast<uint32_t>(kGgufAlignment));
  values.add("general.file_type", file_type(scheme));
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
  values.add("tokenizer.ggml.model", std::string_view("llama"));
  values.add_tokens("tokenizer.ggml.tokens", a.vocabulary);
}

}  // namespace

Result<SynthLayout> lay_out_gguf(std::vector<WeightSpec> weights, Encoding scheme,
                                 const Architecture& architecture) {
  if (has_scales(scheme)) {
    return Error(ErrorCode::kInvalidArgument, text("scheme ", encoding_name(scheme),
                                                   " is not GGUF's: give a .safetensors output"));
  }
  SynthLayout layout;
  KeyValues values;
  add_model_facts(values, architecture, scheme);
  ByteWriter header;
  header.write(kGgufMagic);
  header.write(kGgufVersion);
  header.write<uint64_t>(weights.size());
  header.write<uint64_t>(values.count());

  // Tensor infos follow the key-values. Their offsets count from the aligned end of the header.
  uint64_t place = 0;
  for (WeightSpec& spec : weights) {
    PlacedWeight placed;
    placed.encoding = encoding_of(spec, scheme, true);
    placed.bytes = spec.rows * encoded_row_bytes(placed.encoding, spec.columns);
    placed.offset = place;
    values.write_text(spec.gguf_name);
    values.writer().write<uint32_t>(spec.is_vector ? 1 : 2);
    values.writer().write<uint64_t>(spec.columns);  // Innermost first.
    if (!spec.is_vector) values.writer().write<uint64_t>(spec.rows);
    values.writer().write(ggml_type(placed.encoding));
    values.writer().write(placed.offset);
    place = align_up(place + placed.bytes, kGgufAlignment);
    placed.spec = std::move(spec);
    layout.weights.push_back(std::move(placed));
  }
  header.write_bytes(values.writer().bytes());
  header.pad_to(kGgufAlignment);
  layout.header = std::move(header.bytes());
  for (PlacedWeight& weight : layout.weights) weight.offset += layout.header.size();
  layout.file_bytes = layout.header.size() + place;
  return layout;
}

}  // namespace qload::synth
