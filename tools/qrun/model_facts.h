// Everything about a model besides its weights: configuration and vocabulary.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "qload/result.h"
#include "tools/qrun/model_config.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {

struct ModelFacts {
  ModelConfig config;
  std::unique_ptr<const Tokenizer> tokenizer;  ///< Null where no vocabulary is to be had.
  /// Why the one that was found is not used; empty where none was.
  std::string tokenizer_refusal;
};

/// Files named by the user. Empty: what comes with the model.
struct FactPaths {
  std::filesystem::path config;
  std::filesystem::path tokenizer;
};

/// Reads both. The configuration is, in this order: `paths.config`; the
/// key-values of a GGUF header; "config" in a safetensors header's __metadata__; the config.json
/// that was packed with the model; the config.json beside it. kNotFound when there is none. For a
/// GGUF model `paths.config` is kInvalidArgument: its header decides. The vocabulary is
/// `paths.tokenizer`; that of a GGUF header; the tokenizer.json that was packed with the model; the
/// one beside it. One of a kind unknown here is passed over, unless `paths` names it.
/// kUnsupported for a file that is no model.
Result<ModelFacts> read_model_facts(const ModelFile& model, const FactPaths& paths);

}  // namespace qload::qrun
