#include "tools/quantize/source_metadata.h"

#include <map>
#include <nlohmann/json.hpp>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::quantize {
namespace {

using Json = nlohmann::json;

/// Adds the pairs of one header, which the reader has proven.
void add_pairs(std::string_view header, std::map<std::string, std::string>& pairs) {
  // Of a header of up to 100 MB only the strings of one object are kept.
  const auto keep_metadata = [](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) return parsed == "__metadata__";
    return depth <= 2;
  };
  const Json json = Json::parse(header, keep_metadata, false);
  if (!json.is_object()) return;
  const auto metadata = json.find("__metadata__");
  if (metadata == json.end() || !metadata->is_object()) return;
  for (const auto& [key, value] : metadata->items()) {
    if (value.is_string()) pairs.emplace(key, value.get<std::string>());
  }
}

}  // namespace

Result<encode::SafetensorsMetadata> read_source_metadata(const ModelSource& source) {
  std::map<std::string, std::string> pairs;
  for (uint32_t i = 0; i < source.files().size(); ++i) {
    const SourceFile& file = source.files()[i];
    if (file.format != SourceFormat::kSafetensors) continue;
    std::vector<std::byte> header(file.header_bytes);
    QLOAD_CHECK(source.read(i, 0, header));
    add_pairs(as_text(header).substr(sizeof(uint64_t)), pairs);
  }
  return encode::SafetensorsMetadata(pairs.begin(), pairs.end());
}

std::optional<std::string_view> find_metadata(const encode::SafetensorsMetadata& metadata,
                                              std::string_view key) {
  for (const auto& [name, value] : metadata) {
    if (name == key) return value;
  }
  return std::nullopt;
}

}  // namespace qload::quantize
