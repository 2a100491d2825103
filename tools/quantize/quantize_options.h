// What to quantize a model to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

namespace qload::quantize {

enum class Scheme : uint8_t {
  kTensor,       ///< INT8, one scale for a matrix (the paper's equations 2 and 3).
  kChannel,      ///< INT8, a scale for each row or column (4 and 5).
  kSmoothQuant,  ///< Inputs smoothed first (7 and 8), then as kTensor.
  kLlmInt8,      ///< INT8 by output channel; input channels with outliers stay F16.
  kQ8_0,         ///< ggml's blocks of 32, in a GGUF file.
  kQ4_0,
};
struct SchemeName {
  Scheme scheme;
  std::string_view name;
};
/// All of them, as --scheme spells them. Static storage.
std::span<const SchemeName> all_schemes();
std::string_view scheme_name(Scheme scheme);
std::optional<Scheme> find_scheme(std::string_view name);

/// True for the schemes whose output is a GGUF file; the others write safetensors.
bool writes_gguf(Scheme scheme);
/// True for the schemes that need QuantizeOptions::activations.
bool needs_activations(Scheme scheme);

/// What shares one scale.
enum class ChannelAxis : uint8_t { kRow, kColumn };

struct QuantizeOptions {
  Scheme scheme = Scheme::kTensor;
  ChannelAxis axis = ChannelAxis::kRow;  ///< Of kChannel.
  /// Of kSmoothQuant, in [0, 1]: how much of the activations' range moves to the weights.
  double alpha = 0.5;
  /// Of kLlmInt8, at least 0: an input channel with a larger activation is an outlier.
  double threshold = 6.0;
  /// Largest absolute activations of each input channel (activation_maxima.h).
  std::filesystem::path activations = {};
  /// Of kSmoothQuant: move the factors' inverse into what comes before, where it is known; else,
  /// and always when false, store the factors beside the weights.
  bool fold = true;
  /// The model's config.json; empty: what the model brings with it (config_hints.h).
  std::filesystem::path config = {};
  bool quantize_embeddings = true;  ///< Token and position tables, and the output head.
  uint32_t threads = 0;             ///< 0: one for each processor the process may use.
  bool overwrite = false;           ///< Replace an existing output file.
  bool measure = false;             ///< Fill QuantizeReport::statistics.
};

}  // namespace qload::quantize
