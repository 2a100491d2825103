// A model's config.json: where it is, and the few facts that smoothing needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "format/input/model_source.h"
#include "qload/result.h"
#include "tools/encode/safetensors_header.h"

namespace qload::quantize {

/// Absent where the configuration does not say, or there is none.
struct ConfigHints {
  std::optional<std::string> model_type;  ///< "llama"
  std::optional<std::string> activation;  ///< Of the feed-forward part: "relu"
  std::optional<uint64_t> head_size;      ///< Channels of one head of attention.
};

/// A config.json and where it comes from, for messages.
struct ConfigText {
  std::string json;
  std::string where;
};

/// Reads `json`, a Hugging Face config.json. kCorrupt when it is no JSON object; fields of other
/// types than expected are taken for absent.
Result<ConfigHints> parse_config_hints(std::string_view json);

/// The text of the configuration: of the file `config` where one is named; else of "config" in
/// __metadata__, of a config.json that is part of the model, or of one beside the file `input`;
/// else nothing. Errors name the file.
Result<std::optional<ConfigText>> find_config_text(const ModelSource& source,
                                                   const encode::SafetensorsMetadata& metadata,
                                                   const std::filesystem::path& input,
                                                   const std::filesystem::path& config);

/// What find_config_text found, read; no hints where it found nothing. Errors name the file.
Result<ConfigHints> read_config_hints(const std::optional<ConfigText>& config);

}  // namespace qload::quantize
