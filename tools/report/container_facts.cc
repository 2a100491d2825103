#include "tools/report/container_facts.h"

#include <unordered_map>

#include "format/base/format_text.h"
#include "format/input/model_source.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

std::string hexadecimal(uint64_t number) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(number >> shift) & 15];
  return out;
}

std::string codec_name(CodecId id) {
  const Codec* codec = find_codec(id);
  return codec ? std::string(codec->name) : text("codec ", static_cast<uint32_t>(id));
}

void set_layer(JsonReport& json, uint32_t stack, uint32_t layer) {
  if (layer == kNoLayer) {
    json.set_null("layer");
    json.set_null("stack");
  } else {
    json.set("layer", layer);
    json.set("stack", stack);
  }
}

}  // namespace

std::string form_text(const ChunkForm& form) {
  if (form.filter == FilterId::kNone && form.stream_count == 1) {
    return codec_name(form.streams[0].codec);
  }
  const Filter* filter = find_filter(form.filter);
  std::string out(filter ? filter->name : "unknown");
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    out += i == 0 ? '[' : ',';
    out += codec_name(form.streams[i].codec);
  }
  return out + "]";
}

FormCounts count_forms(const Index& index, std::span<const ChunkRecord> chunks) {
  FormCounts forms;
  for (const ChunkRecord& chunk : chunks) ++forms[form_text(index.form(chunk))];
  return forms;
}

std::string form_summary(const FormCounts& forms) {
  if (forms.empty()) return "-";
  const auto* most = &*forms.begin();
  for (const auto& form : forms) {
    if (form.second > most->second) most = &form;
  }
  return forms.size() == 1 ? most->first : text(most->first, " +", forms.size() - 1);
}

std::vector<uint32_t> find_chunk_owners(const Index& index) {
  std::vector<uint32_t> owners(index.tensors().size());
  std::unordered_map<uint64_t, uint32_t> by_first_chunk;  // Runs are identical or disjoint.
  for (uint32_t i = 0; i < owners.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    owners[i] = tensor.chunk_count == 0
                    ? i
                    : by_first_chunk.try_emplace(tensor.first_chunk, i).first->second;
  }
  return owners;
}

void TensorTotals::add(const TensorRecord& tensor, bool owns_chunks) {
  tensor_count += 1;
  bytes += tensor.bytes;
  if (owns_chunks) stored_bytes += tensor.stored_bytes;
}

std::map<std::string, TensorTotals> totals_by_dtype(const Index& index) {
  std::map<std::string, TensorTotals> totals;
  const auto owners = find_chunk_owners(index);
  for (uint32_t i = 0; i < owners.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    totals[std::string(dtype_name(tensor))].add(tensor, owners[i] == i);
  }
  return totals;
}

TensorTotals totals_of_all(const Index& index) {
  TensorTotals totals;
  const auto owners = find_chunk_owners(index);
  for (uint32_t i = 0; i < owners.size(); ++i) totals.add(index.tensors()[i], owners[i] == i);
  return totals;
}

std::string_view dtype_name(const TensorRecord& tensor) {
  const DTypeInfo* info = find_dtype(static_cast<DType>(tensor.dtype));
  return info ? info->name : "unknown";
}

double bits_per_byte(uint64_t decoded_bytes, uint64_t stored_bytes) {
  if (decoded_bytes == 0) return 0;
  return 8 * static_cast<double>(stored_bytes) / static_cast<double>(decoded_bytes);
}

JsonReport tensor_json(const Index& index, const TensorRecord& tensor,
                       const TensorRecord* shares_with) {
  JsonReport json;
  json.set("name", index.name(tensor));
  json.set("dtype", dtype_name(tensor));
  json.set_list("shape", index.shape(tensor));
  set_layer(json, tensor.stack, tensor.layer);
  json.set("bytes", tensor.bytes);
  json.set("stored_bytes", tensor.stored_bytes);
  json.set("chunk_count", tensor.chunk_count);
  if (shares_with != nullptr) {
    json.set("shares_with", index.name(*shares_with));
  } else {
    json.set_null("shares_with");
  }
  JsonReport forms;
  for (const auto& [form, count] : count_forms(index, index.chunks_of(tensor))) {
    forms.set(form, count);
  }
  json.set("forms", std::move(forms));
  json.set("file", tensor.file);
  json.set("file_offset", tensor.file_offset);
  json.set("digest", format_digest(to_digest(tensor.digest)));
  return json;
}

JsonReport chunk_json(const Index& index, const ChunkRecord& chunk) {
  JsonReport json;
  json.set("offset", chunk.offset);
  json.set("stored_bytes", chunk.stored_bytes);
  json.set("decoded_offset", chunk.decoded_offset);
  json.set("decoded_bytes", chunk.decoded_bytes);
  json.set("form", form_text(index.form(chunk)));
  json.set("stored_checksum", hexadecimal(chunk.stored_checksum));
  json.set("decoded_checksum", hexadecimal(chunk.decoded_checksum));
  return json;
}

JsonReport file_json(const Index& index, const FileRecord& file) {
  JsonReport json;
  json.set("path", index.path(file));
  json.set("format", source_format_name(static_cast<SourceFormat>(file.format)));
  json.set("bytes", file.bytes);
  json.set("header_bytes", file.header_bytes);
  json.set("kept_bytes", file.kept_bytes);
  return json;
}

JsonReport group_json(const GroupRecord& group) {
  JsonReport json;
  set_layer(json, group.stack, group.layer);
  json.set("first_tensor", group.first_tensor);
  json.set("tensor_count", group.tensor_count);
  json.set("bytes", group.bytes);
  return json;
}

JsonReport totals_json(const TensorTotals& totals) {
  JsonReport json;
  json.set("tensor_count", totals.tensor_count);
  json.set("bytes", totals.bytes);
  json.set("stored_bytes", totals.stored_bytes);
  json.set("bits_per_byte", bits_per_byte(totals.bytes, totals.stored_bytes));
  return json;
}

}  // namespace qload::tools
