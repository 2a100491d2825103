#include "tools/quantize/config_hints.h"

#include <nlohmann/json.hpp>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/quantize/source_metadata.h"

namespace qload::quantize {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kConfigName = "config.json";
// A thousand times what one has.
constexpr uint64_t kConfigBytesMax = 1u << 20;

std::optional<std::string> find_text(const Json& config, const char* field) {
  const auto found = config.find(field);
  if (found == config.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<uint64_t> find_count(const Json& config, const char* field) {
  const auto found = config.find(field);
  if (found == config.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

Result<std::optional<ConfigText>> read_config_file(const std::filesystem::path& path) {
  QLOAD_TRY(const File file, File::open(path));
  if (file.bytes() > kConfigBytesMax) {
    return Error(ErrorCode::kCorrupt, text(quote(path.string()), " has ", file.bytes(),
                                           " bytes, expected at most ", kConfigBytesMax));
  }
  QLOAD_TRY(const std::vector<std::byte> bytes, file.read_vector(0, file.bytes()));
  return std::optional(ConfigText{std::string(as_text(bytes)), quote(path.string())});
}

}  // namespace

Result<ConfigHints> parse_config_hints(std::string_view json) {
  const Json config = Json::parse(json, nullptr, false);
  if (!config.is_object()) {
    return Error(ErrorCode::kCorrupt, "the configuration is no JSON object");
  }
  ConfigHints hints;
  hints.model_type = find_text(config, "model_type");
  hints.activation = find_text(config, "activation_function");  // OPT's name for it, and GPT-2's.
  hints.head_size = find_count(config, "head_dim");
  const auto heads = find_count(config, "num_attention_heads");
  const auto hidden = find_count(config, "hidden_size");
  if (!hints.head_size && hidden && heads.value_or(0) > 0) hints.head_size = *hidden / *heads;
  return hints;
}

Result<std::optional<ConfigText>> find_config_text(const ModelSource& source,
                                                   const encode::SafetensorsMetadata& metadata,
                                                   const std::filesystem::path& input,
                                                   const std::filesystem::path& config) {
  if (!config.empty()) return read_config_file(config);
  if (const auto json = find_metadata(metadata, "config")) {
    return std::optional(ConfigText{std::string(*json), "\"config\" of __metadata__"});
  }
  for (uint32_t i = 0; i < source.files().size(); ++i) {
    const SourceFile& file = source.files()[i];
    if (file.format != SourceFormat::kCompanion || file.path != kConfigName) continue;
    if (file.bytes > kConfigBytesMax) continue;
    std::vector<std::byte> bytes(file.bytes);
    QLOAD_CHECK(source.read(i, 0, bytes));
    return std::optional(ConfigText{std::string(as_text(bytes)), quote(file.path)});
  }
  std::error_code ignored;
  const auto beside = input.parent_path() / kConfigName;
  if (std::filesystem::is_directory(input, ignored) || !std::filesystem::exists(beside, ignored)) {
    return std::optional<ConfigText>();
  }
  return read_config_file(beside);
}

Result<ConfigHints> read_config_hints(const std::optional<ConfigText>& config) {
  if (!config) return ConfigHints();
  auto hints = parse_config_hints(config->json);
  if (!hints.ok()) return hints.error().at(config->where);
  return hints;
}

}  // namespace qload::quantize
