// What a stored form costs to load, on the device that a model is packed for. Pure.
#pragma once

#include <cstdint>

#include "format/chunk/chunk.h"

namespace qload {

/// The device a recipe aims at. Decode rates are decoded bytes per second of one core.
struct TargetDevice {
  double storage_bytes_per_second = 1e9;
  uint32_t decode_threads = 4;
  double store_rate = 10e9;  ///< A copy out of staging memory.
  double lane_huffman_rate = 3e9;
  double zstd_rate = 1.2e9;
  double fse_rate = 0.6e9;
  /// What a second of decoding costs beside a second of reading, in [0, 1]. A load takes as long as
  /// the slower of the two: where storage binds, decoding is nearly free, but not quite, for it
  /// takes processors and energy from others.
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

/// Seconds that one core decodes `decoded_bytes` of a stream of that codec.
double decode_seconds(const TargetDevice& device, CodecId codec, uint64_t decoded_bytes);

/// What a stream of that form adds to a load, in seconds: its reading, and its weighted decoding
/// by all threads.
double stream_cost(const TargetDevice& device, CodecId codec, uint64_t stored_bytes,
                   uint64_t decoded_bytes);

/// The same for a chunk, which is the sum of its streams. A raw chunk is read in place: it costs no
/// decoding.
double chunk_cost(const TargetDevice& device, const ChunkForm& form);

/// Seconds that one core decodes a chunk of that form: 0 for a raw one.
double decode_seconds(const TargetDevice& device, const ChunkForm& form);

/// What a whole load has to do.
struct LoadWork {
  uint64_t read_bytes = 0;
  double decode_seconds = 0;  ///< Of one core.
};
/// Seconds of a load that reads and decodes at the same time: those of the slower.
double modelled_load_seconds(const TargetDevice& device, const LoadWork& work);

}  // namespace qload
