#include "format/pack/cost_model.h"

#include <algorithm>

namespace qload {

double decode_seconds(const TargetDevice& device, CodecId codec, uint64_t decoded_bytes) {
  const auto bytes = static_cast<double>(decoded_bytes);
  switch (codec) {
    case CodecId::kStore:
    case CodecId::kConstant:
      return bytes / device.store_rate;
    case CodecId::kLaneHuffman:
      return bytes / device.lane_huffman_rate;
    case CodecId::kZstd:
      return bytes / device.zstd_rate;
    case CodecId::kFse:
      return bytes / device.fse_rate;
  }
  return 0;  // No other codec is written.
}

double stream_cost(const TargetDevice& device, CodecId codec, uint64_t stored_bytes,
                   uint64_t decoded_bytes) {
  const double read = static_cast<double>(stored_bytes) / device.storage_bytes_per_second;
  const double decode = decode_seconds(device, codec, decoded_bytes) / device.decode_threads;
  return read + device.decode_weight * decode;
}

double chunk_cost(const TargetDevice& device, const ChunkForm& form) {
  if (form.stored_raw()) return form.stored_bytes / device.storage_bytes_per_second;
  double cost = 0;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    cost += stream_cost(device, stream.codec, stream.stored_bytes, stream.decoded_bytes);
  }
  return cost;
}

double decode_seconds(const TargetDevice& device, const ChunkForm& form) {
  if (form.stored_raw()) return 0;
  double seconds = 0;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    seconds += decode_seconds(device, form.streams[i].codec, form.streams[i].decoded_bytes);
  }
  return seconds;
}

double modelled_load_seconds(const TargetDevice& device, const LoadWork& work) {
  const double read = static_cast<double>(work.read_bytes) / device.storage_bytes_per_second;
  return std::max(read, work.decode_seconds / device.decode_threads);
}

}  // namespace qload
