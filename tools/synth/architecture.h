// Architectures that synth can imitate: the names and shapes of real models, without weights.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qload::synth {

/// What a weight does in the model, which decides how its values are distributed.
enum class WeightKind : uint8_t {
  kEmbedding,
  kAttentionInput,  ///< Query, key and value projections.
  kAttentionOutput,
  kFeedForwardUp,    ///< fc1; up and gate of a gated block.
  kFeedForwardDown,  ///< fc2; down.
  kNorm,             ///< Gains around 1.
  kBias,
};
inline constexpr size_t kWeightKindCount = 7;
std::string_view weight_kind_name(WeightKind kind);

/// The layer of weights outside all layers.
inline constexpr uint32_t kOutsideLayers = 0xFFFF'FFFF;

/// One tensor of the model before a scheme decides its element type.
struct WeightSpec {
  std::string name;       ///< As in the model's safetensors files.
  std::string gguf_name;  ///< As in GGUF files.
  uint64_t rows = 1;      ///< Output channels; 1 for a vector.
  uint64_t columns = 0;
  bool is_vector = false;
  WeightKind kind = WeightKind::kBias;
  uint32_t layer = kOutsideLayers;
};

enum class Family : uint8_t { kOpt, kLlama };

/// The numbers that fix a model's shapes.
struct Architecture {
  std::string_view name;
  Family family;
  uint32_t layers;
  uint32_t hidden;
  uint32_t feed_forward;
  uint32_t heads;
  uint32_t key_value_heads;
  uint32_t vocabulary;
  uint32_t positions;  ///< Learned position rows (OPT), or context length (Llama).
};

/// All of them, for the help text. Static storage.
std::span<const Architecture> all_architectures();
std::optional<Architecture> find_architecture(std::string_view name);

/// Every tensor of the model, in execution order.
std::vector<WeightSpec> list_weights(const Architecture& architecture);

}  // namespace qload::synth
