// pack_model: a ModelSource into a container, in parallel, within bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>

#include "format/chunk/chunk.h"
#include "format/input/model_source.h"
#include "format/pack/cost_model.h"
#include "qload/result.h"

namespace qload {

/// What packing aims at where filter and codec are left open.
enum class PackGoal : uint8_t {
  kBalanced,    ///< The shortest load on a mid-range device.
  kFastDecode,  ///< Fast storage, few cores: code only what pays there.
  kSmallest,    ///< The smallest container, however slow to decode.
};

struct PackOptions {
  uint32_t threads = 0;              ///< 0: one for each processor the process may use.
  uint64_t alignment = 4096;         ///< 4096 to 65536; 16384 suits 16 KiB-page devices.
  uint64_t chunk_bytes = 1u << 20;   ///< Decoded bytes aimed at, in [64 KiB, 16 MiB].
  uint64_t extent_bytes = 4u << 20;  ///< In [1 MiB, 8 MiB].
  std::optional<FilterId> filter;    ///< Nothing: chosen per tensor and chunk.
  std::optional<CodecId> codec;      ///< Nothing: chosen per tensor and chunk.
  std::optional<int> zstd_level;     ///< With the zstd codec; nothing: literals only.
  PackGoal goal = PackGoal::kBalanced;
  /// Instead of a goal: the shortest load on this device (device_recipe.h). With no fixed codec.
  /// Its decode_weight is not used.
  std::optional<TargetDevice> target = {};
  /// A coded stream, and a chunk, must save this share of its bytes to be worth decoding. In [0,
  /// 1).
  double gain_min = 0.02;
  bool verify = true;      ///< Decode every chunk and compare before it is written.
  bool overwrite = false;  ///< Replace an existing output file.
};

struct PackProgress {
  uint64_t bytes_done;  ///< Source bytes whose chunks are written.
  /// Of all source files; in pack_model, and of tensors that are compared because they may be
  /// equal, which bytes_done counts then too.
  uint64_t bytes_total;
};

struct PackReport {
  uint64_t source_bytes = 0;
  uint64_t container_bytes = 0;
  uint64_t tensor_count = 0;
  uint64_t duplicate_count = 0;  ///< Tensors that have the chunks of an equal one.
  uint64_t duplicate_bytes = 0;  ///< Of those tensors, decoded.
  uint64_t chunk_count = 0;
  uint32_t threads = 0;
  double seconds = 0;
};

/// Packs `source` into a new container at `output`. Tensors that are equal (find_duplicates.h) are
/// stored once, by the first of them in load order. Memory is bounded by a few chunks for each
/// thread whatever the model's size; the bytes are the same for any number of threads. Fails
/// without leaving a file behind: kCancelled when `stop` is requested, kCorrupt when a source
/// file changes meanwhile or a chunk does not survive its own decoding, kNoSpace, kIo.
/// `on_progress` runs on the calling thread.
Result<PackReport> pack_model(const ModelSource& source, const std::filesystem::path& output,
                              const PackOptions& options,
                              const std::function<void(const PackProgress&)>& on_progress = {},
                              std::stop_token stop = {});

}  // namespace qload
