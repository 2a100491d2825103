// Everything about a model besides its weights: configuration and vocabulary.
#pragma once

#include <filesystem>
#include <optional>

#include "qload/result.h"
#include "tools/qrun/model_config.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {

struct ModelFacts {
  ModelConfig config;
  std::optional<Tokenizer> tokenizer;  ///< Nothing where the model carries no vocabulary.
};

/// Reads both. The configuration is, in this order: `config_path` when it is not empty; the
/// key-values of a GGUF header; "config" in a safetensors header's __metadata__; the config.json
/// that was packed with the model; the config.json beside it. kNotFound when there is none. For a
/// GGUF model `config_path` is kInvalidArgument: its header decides. kUnsupported for a file that
/// is no model.
Result<ModelFacts> read_model_facts(const ModelFile& model,
                                    const std::filesystem::path& config_path);

}  // namespace qload::qrun
