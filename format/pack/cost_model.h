// What a stored form costs to load, on the device that a model is packed for. Pure.
#pragma once

#include <cstdint>
#include <limits>

#include "format/chunk/chunk.h"
#include "qload/result.h"

namespace qload {

/// The rate of what costs nothing, or is not modelled.
inline constexpr double kFreeRate = std::numeric_limits<double>::infinity();

/// The device a recipe aims at. Rates are bytes per second; those of decoding are decoded bytes of
/// one thread. What the defaults leave free is known of a calibrated device only.
struct TargetDevice {
  double storage_bytes_per_second = 1e9;
  double storage_latency_seconds = 0;  ///< Of a read of 4 KiB by itself.
  uint32_t decode_threads = 4;
  /// What all threads decode together, of decode_threads times what one decodes alone. In (0, 1].
  double thread_scaling = 1;
  double store_rate = 10e9;  ///< A copy out of staging memory.
  double lane_huffman_rate = 3e9;
  double zstd_rate = 1.2e9;
  double fse_rate = 0.6e9;
  double planes_rate = kFreeRate;      ///< Putting byte or float planes together.
  double blocks_rate = kFreeRate;      ///< The same for the fields of ggml's blocks.
  double checksum_rate = kFreeRate;    ///< Of stored bytes, one thread.
  double touch_rate = kFreeRate;       ///< First touch of destination memory, all threads.
  double copy_rate = kFreeRate;        ///< Copying memory that is in no cache, all threads.
  double page_cache_rate = kFreeRate;  ///< pread() of a cached file, all threads.
  double overhead_seconds = 0;         ///< What a load of nothing takes.
  /// What a second of decoding costs beside a second of reading, at least 0. A load takes as long
  /// as the slower of the two: where storage binds, decoding is nearly free, but not quite, for it
  /// takes processors and energy from others. 0: only size counts, whatever encoding takes.
  double decode_weight = 0.05;
};

/// A mid-range phone or single-board computer: the default. Its rates are those measured for
/// kernels of 128 and 256 bits, rounded down (docs/performance.md, "Choosing").
constexpr TargetDevice mid_device() { return {}; }
/// For fast storage and few cores: decoding counts half, so that only what gains much is coded.
constexpr TargetDevice fast_decode_device() {
  TargetDevice device;
  device.storage_bytes_per_second = 3e9;
  device.decode_weight = 0.5;
  return device;
}
/// For transfers and slow cards: only size counts.
constexpr TargetDevice smallest_size() {
  TargetDevice device;
  device.decode_weight = 0.0;
  return device;
}

/// kInvalidArgument names the first field that no device can have: rates and threads are above 0,
/// scaling is at most 1, times and the weight are not negative.
Status check_device(const TargetDevice& device);

/// Threads that decode as fast as one alone does, together as fast as all: threads * scaling.
double full_threads(const TargetDevice& device);

/// Seconds that one core decodes `decoded_bytes` of a stream of that codec.
double decode_seconds(const TargetDevice& device, CodecId codec, uint64_t decoded_bytes);
/// Seconds that one core puts the streams of a chunk of `decoded_bytes` together.
double merge_seconds(const TargetDevice& device, FilterId filter, uint64_t decoded_bytes);

/// What bytes add to a load that are read in place, in seconds: reading and their checksum.
double raw_cost(const TargetDevice& device, uint64_t bytes);

/// What a stream of that form adds to a load, in seconds: its reading, and its weighted decoding
/// by all threads.
double stream_cost(const TargetDevice& device, CodecId codec, uint64_t stored_bytes,
                   uint64_t decoded_bytes);

/// What a filter adds to the costs of its streams.
double merge_cost(const TargetDevice& device, FilterId filter, uint64_t decoded_bytes);

/// The same for a chunk, which is the sum of its streams and of merging them. A raw chunk is read
/// in place: it costs no decoding.
double chunk_cost(const TargetDevice& device, const ChunkForm& form);

/// Seconds that one core decodes a chunk of that form, checksum included.
double decode_seconds(const TargetDevice& device, const ChunkForm& form);

/// What a whole load has to do.
struct LoadWork {
  uint64_t read_bytes = 0;
  double decode_seconds = 0;   ///< Of one core.
  uint64_t decoded_bytes = 0;  ///< Of fresh destination memory.
};
/// The parts of a load. Reading goes on beside the rest; decoding and first touch share the
/// processors.
struct LoadTime {
  double read_seconds = 0;
  double decode_seconds = 0;  ///< By all threads.
  double touch_seconds = 0;
  double overhead_seconds = 0;
  double processor_seconds() const { return decode_seconds + touch_seconds; }
  bool storage_binds() const { return read_seconds >= processor_seconds(); }
  double total() const;
};
LoadTime model_load(const TargetDevice& device, const LoadWork& work);
/// The same from the page cache: the processors read, too.
LoadTime model_cached_load(const TargetDevice& device, const LoadWork& work);
/// model_load(device, work).total().
double modelled_load_seconds(const TargetDevice& device, const LoadWork& work);

}  // namespace qload
