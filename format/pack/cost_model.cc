#include "format/pack/cost_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "format/base/format_text.h"

namespace qload {
namespace {

double seconds(uint64_t bytes, double rate) { return static_cast<double>(bytes) / rate; }

Error bad_field(const char* field, double found, const char* expected) {
  return Error(ErrorCode::kInvalidArgument, text("target device: ", field, " is ",
                                                 std::to_string(found), "; expected ", expected));
}

}  // namespace

Status check_device(const TargetDevice& device) {
  struct Field {
    const char* name;
    double value;
  };
  const Field rates[] = {{"storage rate", device.storage_bytes_per_second},
                         {"store rate", device.store_rate},
                         {"lane_huffman rate", device.lane_huffman_rate},
                         {"zstd rate", device.zstd_rate},
                         {"fse rate", device.fse_rate},
                         {"planes rate", device.planes_rate},
                         {"blocks rate", device.blocks_rate},
                         {"checksum rate", device.checksum_rate},
                         {"first touch rate", device.touch_rate},
                         {"copy rate", device.copy_rate},
                         {"page cache rate", device.page_cache_rate},
                         {"decode threads", static_cast<double>(device.decode_threads)}};
  for (const Field& rate : rates) {
    if (!(rate.value > 0)) return bad_field(rate.name, rate.value, "more than 0");
  }
  const Field times[] = {{"storage latency", device.storage_latency_seconds},
                         {"overhead", device.overhead_seconds},
                         {"decode weight", device.decode_weight}};
  for (const Field& time : times) {
    if (!(time.value >= 0) || std::isinf(time.value)) {
      return bad_field(time.name, time.value, "a finite number, at least 0");
    }
  }
  if (!(device.thread_scaling > 0 && device.thread_scaling <= 1)) {
    return bad_field("thread scaling", device.thread_scaling, "above 0 and at most 1");
  }
  return Ok{};
}

double full_threads(const TargetDevice& device) {
  return device.decode_threads * device.thread_scaling;
}

double decode_seconds(const TargetDevice& device, CodecId codec, uint64_t decoded_bytes) {
  switch (codec) {
    case CodecId::kStore:
    case CodecId::kConstant:
      return seconds(decoded_bytes, device.store_rate);
    case CodecId::kLaneHuffman:
      return seconds(decoded_bytes, device.lane_huffman_rate);
    case CodecId::kZstd:
      return seconds(decoded_bytes, device.zstd_rate);
    case CodecId::kFse:
      return seconds(decoded_bytes, device.fse_rate);
  }
  return 0;  // No other codec is written.
}

double merge_seconds(const TargetDevice& device, FilterId filter, uint64_t decoded_bytes) {
  if (filter == FilterId::kNone) return 0;
  return seconds(decoded_bytes,
                 filter < FilterId::kQ4_0Fields ? device.planes_rate : device.blocks_rate);
}

double raw_cost(const TargetDevice& device, uint64_t bytes) {
  return seconds(bytes, device.storage_bytes_per_second) +
         device.decode_weight * (seconds(bytes, device.checksum_rate) / full_threads(device));
}

double stream_cost(const TargetDevice& device, CodecId codec, uint64_t stored_bytes,
                   uint64_t decoded_bytes) {
  const double decode =
      decode_seconds(device, codec, decoded_bytes) + seconds(stored_bytes, device.checksum_rate);
  return seconds(stored_bytes, device.storage_bytes_per_second) +
         device.decode_weight * (decode / full_threads(device));
}

double merge_cost(const TargetDevice& device, FilterId filter, uint64_t decoded_bytes) {
  return device.decode_weight *
         (merge_seconds(device, filter, decoded_bytes) / full_threads(device));
}

double chunk_cost(const TargetDevice& device, const ChunkForm& form) {
  if (form.stored_raw()) return raw_cost(device, form.stored_bytes);
  double cost = 0;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    cost += stream_cost(device, stream.codec, stream.stored_bytes, stream.decoded_bytes);
  }
  return cost + merge_cost(device, form.filter, form.decoded_bytes);
}

double decode_seconds(const TargetDevice& device, const ChunkForm& form) {
  double total = seconds(form.stored_bytes, device.checksum_rate);
  if (form.stored_raw()) return total;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    total += decode_seconds(device, form.streams[i].codec, form.streams[i].decoded_bytes);
  }
  return total + merge_seconds(device, form.filter, form.decoded_bytes);
}

double LoadTime::total() const {
  return overhead_seconds + std::max(read_seconds, processor_seconds());
}

LoadTime model_load(const TargetDevice& device, const LoadWork& work) {
  return {.read_seconds = seconds(work.read_bytes, device.storage_bytes_per_second),
          .decode_seconds = work.decode_seconds / full_threads(device),
          .touch_seconds = seconds(work.decoded_bytes, device.touch_rate),
          .overhead_seconds = device.overhead_seconds};
}

LoadTime model_cached_load(const TargetDevice& device, const LoadWork& work) {
  LoadTime time = model_load(device, work);
  time.read_seconds = 0;
  time.decode_seconds += seconds(work.read_bytes, device.page_cache_rate);
  return time;
}

double modelled_load_seconds(const TargetDevice& device, const LoadWork& work) {
  return model_load(device, work).total();
}

}  // namespace qload
