#include "tools/qrun/model_facts.h"

#include <nlohmann/json.hpp>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kConfigName = "config.json";
// A thousand times what one has.
constexpr uint64_t kConfigBytesMax = 1u << 20;

Result<std::string> read_text_file(const std::filesystem::path& path) {
  QLOAD_TRY(const File file, File::open(path));
  if (file.bytes() > kConfigBytesMax) {
    return Error(ErrorCode::kCorrupt, text(quote(path.string()), " has ", file.bytes(),
                                           " bytes, expected at most ", kConfigBytesMax));
  }
  QLOAD_TRY(const std::vector<std::byte> bytes, file.read_vector(0, file.bytes()));
  return std::string(as_text(bytes));
}

Result<ModelConfig> read_config_file(const std::filesystem::path& path) {
  QLOAD_TRY(const std::string json, read_text_file(path));
  auto config = read_config_json(json);
  if (!config.ok()) return config.error().at(quote(path.string()));
  return config;
}

/// The "config" of __metadata__ in a safetensors header; nothing when there is none.
std::optional<std::string> find_metadata_config(std::span<const std::byte> header) {
  if (header.size() < sizeof(uint64_t)) return std::nullopt;
  // Of a header of up to 100 MB only the strings of one object are kept.
  const auto keep_metadata = [](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) return parsed == "__metadata__";
    return depth <= 2;
  };
  const Json json = Json::parse(as_text(header.subspan(sizeof(uint64_t))), keep_metadata, false);
  if (!json.is_object()) return std::nullopt;
  const auto metadata = json.find("__metadata__");
  if (metadata == json.end() || !metadata->is_object()) return std::nullopt;
  const auto config = metadata->find("config");
  if (config == metadata->end() || !config->is_string()) return std::nullopt;
  return config->get<std::string>();
}

Result<ModelConfig> find_config(const ModelFile& model, std::span<const std::byte> header) {
  if (const auto json = find_metadata_config(header)) return read_config_json(*json);
  QLOAD_TRY(const auto companion, model.read_companion(kConfigName));
  if (companion) return read_config_json(*companion);
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(model.path(), ignored);
  const auto beside = (is_folder ? model.path() : model.path().parent_path()) / kConfigName;
  if (std::filesystem::exists(beside, ignored)) return read_config_file(beside);
  return Error(ErrorCode::kNotFound,
               text(quote(model.path().string()),
                    " has no configuration: neither \"config\" in its __metadata__, nor a "
                    "config.json packed with it, nor ",
                    quote(beside.string()), "; --config names one"));
}

Result<ModelFacts> read_gguf_facts(std::span<const std::byte> header) {
  QLOAD_TRY(const GgufValues values, GgufValues::parse(header));
  ModelFacts facts;
  QLOAD_TRY(facts.config, read_config_gguf(values));
  QLOAD_TRY(facts.tokenizer, Tokenizer::read_gguf(values, facts.config.vocabulary_size));
  return facts;
}

}  // namespace

Result<ModelFacts> read_model_facts(const ModelFile& model,
                                    const std::filesystem::path& config_path) {
  if (model.format() == "raw") {
    return Error(ErrorCode::kUnsupported,
                 text(quote(model.path().string()), " is neither a safetensors nor a GGUF model"));
  }
  const bool is_gguf = model.format() == "gguf";
  if (is_gguf && !config_path.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(model.path().string()),
                      " is GGUF, whose header has the configuration; --config is for others"));
  }
  ModelFacts facts;
  if (!config_path.empty()) {
    QLOAD_TRY(facts.config, read_config_file(config_path));
    return facts;
  }
  QLOAD_TRY(const std::vector<std::byte> header, model.read_header());
  auto read = [&]() -> Result<ModelFacts> {
    if (is_gguf) return read_gguf_facts(header);
    QLOAD_TRY(facts.config, find_config(model, header));
    return facts;
  }();
  if (!read.ok() && read.error().code() != ErrorCode::kNotFound) {
    return read.error().at(quote(model.path().string()));
  }
  return read;
}

}  // namespace qload::qrun
