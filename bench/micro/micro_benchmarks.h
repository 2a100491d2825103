// The benchmarks of each part, registered by hand because they walk the registries.
#pragma once

#include <span>

#include "bench/micro/weight_data.h"

namespace qload::bench {

/// decode/CODEC/MODE/DATA/CHUNK and encode/...: whole chunks, filter included, through the public
/// chunk functions. `data` must outlive the run.
void register_codec_benchmarks(std::span<const WeightData> data);

/// split/FILTER, merge/FILTER, checksum64 and memcpy.
void register_filter_benchmarks();

}  // namespace qload::bench
