#include "tools/encode/gguf_header.h"

#include "format/base/checked.h"

namespace qload::encode {
namespace {

// gguf.h: magic, version and value types.
constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kGgufVersion = 3;
enum class ValueType : uint32_t { kU32 = 4, kF32 = 6, kText = 8, kArray = 9 };

void write_text(ByteWriter& writer, std::string_view value) {
  writer.write<uint64_t>(value.size());
  writer.write_bytes(as_byte_span(value));
}

}  // namespace

void GgufKeyValues::add(std::string_view key, uint32_t value) {
  write_text(writer_, key);
  writer_.write(ValueType::kU32);
  writer_.write(value);
  ++count_;
}

void GgufKeyValues::add(std::string_view key, float value) {
  write_text(writer_, key);
  writer_.write(ValueType::kF32);
  writer_.write(value);
  ++count_;
}

void GgufKeyValues::add(std::string_view key, std::string_view value) {
  write_text(writer_, key);
  writer_.write(ValueType::kText);
  write_text(writer_, value);
  ++count_;
}

void GgufKeyValues::add(std::string_view key, std::span<const std::string> values) {
  write_text(writer_, key);
  writer_.write(ValueType::kArray);
  writer_.write(ValueType::kText);
  writer_.write<uint64_t>(values.size());
  for (const std::string& value : values) write_text(writer_, value);
  ++count_;
}

void GgufKeyValues::add_raw(std::span<const std::byte> pair) {
  writer_.write_bytes(pair);
  ++count_;
}

OutputLayout lay_out_gguf_file(GgufKeyValues& keys, std::span<OutputTensor> tensors) {
  ByteWriter header;
  header.write(kGgufMagic);
  header.write(kGgufVersion);
  header.write<uint64_t>(tensors.size());
  header.write<uint64_t>(keys.count());
  header.write_bytes(keys.bytes());

  // Offsets of tensors count from the aligned end of the header.
  uint64_t place = 0;
  for (OutputTensor& tensor : tensors) {
    tensor.offset = place;
    write_text(header, tensor.name);
    header.write(static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i > 0; --i) header.write<uint64_t>(tensor.shape[i - 1]);
    header.write(ggml_number(tensor.dtype).value());
    header.write(tensor.offset);
    place = align_up(place + tensor.bytes, kGgufAlignment);
  }
  header.pad_to(kGgufAlignment);
  OutputLayout layout;
  layout.header = std::move(header.bytes());
  layout.file_bytes = layout.header.size() + place;
  for (OutputTensor& tensor : tensors) tensor.offset += layout.header.size();
  return layout;
}

std::optional<uint32_t> ggml_number(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 0;
    case DType::kF16:
      return 1;
    case DType::kI8:
      return 24;
    case DType::kI16:
      return 25;
    case DType::kI32:
      return 26;
    case DType::kI64:
      return 27;
    case DType::kF64:
      return 28;
    case DType::kBF16:
      return 30;
    default:
      break;
  }
  const auto value = static_cast<uint32_t>(dtype);
  if (value < 256) return std::nullopt;
  return value - 256;  // tensor.h: block types are 256 + ggml's number.
}

uint32_t llama_file_type(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return 1;
    case DType::kBF16:
      return 32;
    case DType::kQ8_0:
      return 7;
    case DType::kQ4_0:
      return 2;
    case DType::kQ4_K:
      return 14;  // LLAMA_FTYPE_MOSTLY_Q4_K_S
    default:
      return 0;
  }
}

}  // namespace qload::encode
