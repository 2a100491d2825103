// synthesize: writes a model that looks trained, in parallel, within bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "qload/result.h"
#include "tools/encode/weight_encoding.h"
#include "tools/synth/architecture.h"
#include "tools/synth/entropy_table.h"

namespace qload::synth {

using encode::Encoding;

struct SynthOptions {
  Architecture architecture;
  Encoding scheme = Encoding::kInt8Tensor;
  bool gguf = false;  ///< Else safetensors.
  uint64_t seed = 1;
  std::optional<uint32_t> layers;  ///< In [1, 4096]. Nothing: the architecture's.
  std::optional<uint64_t> bytes;   ///< Choose the number of layers that comes nearest.
  uint32_t threads = 0;            ///< 0: one for each processor the process may use.
  bool overwrite = false;
  bool measure = false;  ///< Fill SynthReport::entropies.
};

struct SynthReport {
  uint64_t file_bytes = 0;
  uint64_t tensor_count = 0;  ///< Weights; their scale tensors are not counted.
  uint32_t layers = 0;
  uint32_t threads = 0;
  double seconds = 0;
  std::vector<KindEntropy> entropies;
};

/// Writes the model to `output`. The bytes depend on architecture, layers, scheme and seed only,
/// not on threads. Nothing is left behind on failure. `on_progress(done, total)` runs on the
/// calling thread.
Result<SynthReport> synthesize(const std::filesystem::path& output, const SynthOptions& options,
                               const std::function<void(uint64_t, uint64_t)>& on_progress,
                               std::stop_token stop);

}  // namespace qload::synth
