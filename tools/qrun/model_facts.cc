#include "tools/qrun/model_facts.h"

#include <nlohmann/json.hpp>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/text/tokenizer_file.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kConfigName = "config.json";
constexpr std::string_view kTokenizerName = "tokenizer.json";
// A thousand times what one has.
constexpr uint64_t kConfigBytesMax = 1u << 20;

Result<std::string> read_text_file(const std::filesystem::path& path, uint64_t bytes_max) {
  QLOAD_TRY(const File file, File::open(path));
  if (file.bytes() > bytes_max) {
    return Error(ErrorCode::kCorrupt, text(quote(path.string()), " has ", file.bytes(),
                                           " bytes, expected at most ", bytes_max));
  }
  QLOAD_TRY(const std::vector<std::byte> bytes, file.read_vector(0, file.bytes()));
  return std::string(as_text(bytes));
}

Result<ModelConfig> read_config_file(const std::filesystem::path& path) {
  QLOAD_TRY(const std::string json, read_text_file(path, kConfigBytesMax));
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

/// The file of this name beside the model, or in its folder.
std::filesystem::path path_beside(const ModelFile& model, std::string_view name) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(model.path(), ignored);
  return (is_folder ? model.path() : model.path().parent_path()) / name;
}

Result<ModelConfig> find_config(const ModelFile& model, std::span<const std::byte> header) {
  if (const auto json = find_metadata_config(header)) return read_config_json(*json);
  QLOAD_TRY(const auto companion, model.read_companion(kConfigName));
  if (companion) return read_config_json(*companion);
  const auto beside = path_beside(model, kConfigName);
  std::error_code ignored;
  if (std::filesystem::exists(beside, ignored)) return read_config_file(beside);
  return Error(ErrorCode::kNotFound,
               text(quote(model.path().string()),
                    " has no configuration: neither \"config\" in its __metadata__, nor a "
                    "config.json packed with it, nor ",
                    quote(beside.string()), "; --config names one"));
}

Result<ModelConfig> read_config(const ModelFile& model, const std::filesystem::path& path,
                                std::span<const std::byte> header, const GgufValues* values) {
  if (!path.empty()) return read_config_file(path);
  auto config = values != nullptr ? read_config_gguf(*values) : find_config(model, header);
  if (!config.ok() && config.error().code() != ErrorCode::kNotFound) {
    return config.error().at(quote(model.path().string()));
  }
  return config;
}

using TokenizerPointer = std::unique_ptr<const Tokenizer>;

Result<TokenizerPointer> read_tokenizer_file(const std::filesystem::path& path,
                                             uint32_t vocabulary_size) {
  QLOAD_TRY(const std::string json, read_text_file(path, kTokenizerBytesMax));
  auto tokenizer = read_tokenizer_json(json, vocabulary_size);
  if (!tokenizer.ok()) return tokenizer.error().at(quote(path.string()));
  return tokenizer;
}

/// From the places where a vocabulary may be, the first that has one known here.
class TokenizerSearch {
 public:
  explicit TokenizerSearch(ModelFacts& facts) : facts_(facts) {}

  bool is_over() const { return facts_.tokenizer != nullptr; }
  /// kUnsupported is the first place's refusal, and no error.
  Status take(Result<TokenizerPointer> found) {
    if (found.ok()) {
      facts_.tokenizer = std::move(*found);
      return Ok{};
    }
    if (found.error().code() != ErrorCode::kUnsupported) return found.error();
    if (facts_.tokenizer_refusal.empty()) facts_.tokenizer_refusal = found.error().message();
    return Ok{};
  }

 private:
  ModelFacts& facts_;
};

Status find_tokenizer(const ModelFile& model, const std::filesystem::path& path,
                      const GgufValues* values, ModelFacts& facts) {
  const uint32_t vocabulary_size = facts.config.vocabulary_size;
  if (!path.empty()) {
    QLOAD_TRY(facts.tokenizer, read_tokenizer_file(path, vocabulary_size));
    return Ok{};
  }
  const auto at_model = [&](Result<TokenizerPointer> found) -> Result<TokenizerPointer> {
    if (!found.ok()) return found.error().at(quote(model.path().string()));
    return found;
  };
  TokenizerSearch search(facts);
  if (values != nullptr) {
    QLOAD_CHECK(search.take(at_model(read_tokenizer_gguf(*values, vocabulary_size))));
    if (search.is_over()) return Ok{};
  }
  QLOAD_TRY(const auto companion, model.read_companion(kTokenizerName));
  if (companion) {
    QLOAD_CHECK(search.take(at_model(read_tokenizer_json(*companion, vocabulary_size))));
    if (search.is_over()) return Ok{};
  }
  const auto beside = path_beside(model, kTokenizerName);
  std::error_code ignored;
  if (!std::filesystem::exists(beside, ignored)) return Ok{};
  return search.take(read_tokenizer_file(beside, vocabulary_size));
}

}  // namespace

Result<ModelFacts> read_model_facts(const ModelFile& model, const FactPaths& paths) {
  if (model.format() == "raw") {
    return Error(ErrorCode::kUnsupported,
                 text(quote(model.path().string()), " is neither a safetensors nor a GGUF model"));
  }
  const bool is_gguf = model.format() == "gguf";
  if (is_gguf && !paths.config.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(model.path().string()),
                      " is GGUF, whose header has the configuration; --config is for others"));
  }
  QLOAD_TRY(const std::vector<std::byte> header, model.read_header());
  std::optional<GgufValues> values;
  if (is_gguf) {
    auto parsed = GgufValues::parse(header);
    if (!parsed.ok()) return parsed.error().at(quote(model.path().string()));
    values = std::move(*parsed);
  }
  const GgufValues* const gguf = values ? &*values : nullptr;
  ModelFacts facts;
  QLOAD_TRY(facts.config, read_config(model, paths.config, header, gguf));
  QLOAD_CHECK(find_tokenizer(model, paths.tokenizer, gguf, facts));
  return facts;
}

}  // namespace qload::qrun
