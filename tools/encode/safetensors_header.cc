#include "tools/encode/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "format/base/bytes.h"
#include "format/base/format_text.h"

namespace qload::encode {
namespace {

std::string json_text(const std::string& value) {
  using Json = nlohmann::json;
  return Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string shape_text(std::span<const uint64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += text(i == 0 ? "" : ",", shape[i]);
  return out + "]";
}

std::vector<size_t> file_order(std::span<const OutputTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto wide_a = find_dtype(tensors[a].dtype)->block_bytes;
    const auto wide_b = find_dtype(tensors[b].dtype)->block_bytes;
    return wide_a != wide_b ? wide_a > wide_b : tensors[a].name < tensors[b].name;
  });
  return order;
}

}  // namespace

OutputLayout lay_out_safetensors_file(const SafetensorsMetadata& metadata,
                                      std::span<OutputTensor> tensors) {
  std::string json = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    json += text(json.back() == '{' ? "" : ",", json_text(key), ":", json_text(value));
  }
  json += "}";
  const std::vector<size_t> order = file_order(tensors);
  uint64_t place = 0;
  for (const size_t i : order) {
    OutputTensor& tensor = tensors[i];
    json += text(",", json_text(tensor.name), ":{\"dtype\":\"", find_dtype(tensor.dtype)->name,
                 "\",\"shape\":", shape_text(tensor.shape), ",\"data_offsets\":[", place, ",",
                 place + tensor.bytes, "]}");
    tensor.offset = place;
    place += tensor.bytes;
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');

  ByteWriter header;
  header.write<uint64_t>(json.size());
  header.write_bytes(as_byte_span(json));
  OutputLayout layout;
  layout.header = std::move(header.bytes());
  layout.file_bytes = layout.header.size() + place;
  for (OutputTensor& tensor : tensors) tensor.offset += layout.header.size();
  return layout;
}

}  // namespace qload::encode
