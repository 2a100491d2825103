// A sample of a model's chunks, encoded as packing for each of several devices would. What follows
// from it: sizes and decoding of the whole model, without a container.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/pack/pack_plan.h"
#include "format/pack/recipe.h"
#include "qload/result.h"

namespace qload {

/// Models up to this size are encoded whole; of larger ones about so many bytes are. 32 chunks tell
/// the ratio of a model to 1 % (chunk_sample_test).
inline constexpr uint64_t kSampleBytes = 32ull << 20;

/// Which chunks are encoded, and which of them stands for each of the others. Pure.
struct SamplePlan {
  std::vector<uint64_t> items;  ///< Sampled, increasing.
  /// For each item of the pack plan, the number in `items` of the one that stands for it.
  std::vector<uint32_t> standing_for;
  uint64_t bytes = 0;        ///< Of the sampled chunks, decoded.
  uint64_t bytes_total = 0;  ///< Of all chunks.
};

/// Chunks of one type and role stand together, and in them those of one name in every layer; each
/// stretch of them that holds an equal share of the bytes gives one chunk, at a place that a hash
/// of its number chooses. The same plan, the same sample.
SamplePlan plan_sample(const ModelSource& source, const PackPlan& plan, uint64_t bytes_max);

/// How one chunk would be stored: scaled from the chunk that stands for it.
struct EstimatedForm {
  const ChunkForm* form = nullptr;  ///< Of the sampled chunk.
  uint64_t stored_bytes = 0;
  double decode_seconds = 0;  ///< Of one core, on the device asked about.
};

struct SampleOptions {
  std::span<const TargetDevice> devices;  ///< Forms are made for each; at most 32.
  std::optional<FilterId> filter;         ///< As in PackOptions.
  double gain_min = 0.02;
  uint64_t bytes_max = kSampleBytes;
  uint32_t threads = 1;
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> on_progress = {};
};

/// The sample's forms. Immutable once taken.
class ChunkSample {
 public:
  /// Reads and encodes the sampled chunks. Holds a few chunks for each thread. kCancelled when
  /// `stop` is requested; errors of reading.
  static Result<ChunkSample> take(const ModelSource& source, const PackPlan& plan,
                                  const SampleOptions& options, std::stop_token stop);

  /// The form of a sampled item's stand-in, packed for devices[device].
  const ChunkForm& form(uint64_t item, size_t device) const;
  /// That of `item`, of `bytes` bytes, with the decoding measured by `rates`.
  EstimatedForm estimate(uint64_t item, uint64_t bytes, size_t device,
                         const TargetDevice& rates) const;

  const SamplePlan& plan() const { return plan_; }

 private:
  friend class SampleJob;
  static constexpr size_t kDevicesMax = 32;
  /// Devices often agree: each form is kept once.
  struct Forms {
    std::vector<ChunkForm> forms;
    std::array<uint8_t, kDevicesMax> of_device = {};
  };

  SamplePlan plan_;
  std::vector<Forms> forms_;  // By number in plan_.items.
};

/// Reads chunk `chunk` of a run: of a tensor, or of a file's kept bytes.
Status read_run_chunk(const ModelSource& source, const PackPlan& plan, const PackRun& run,
                      uint64_t chunk, std::span<std::byte> into);
/// The element type by which a run's chunks are judged.
DType run_dtype(const ModelSource& source, const PackRun& run);

}  // namespace qload
