// What the micro benchmarks run on: bytes that look like trained weights, and real ones.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "format/filter/filter.h"

namespace qload::bench {

/// One kind of data, with the filter that suits it.
struct WeightData {
  std::string name;
  FilterId filter;
  std::vector<std::byte> bytes;
};

/// Generated kinds, 8 MiB each: larger than the caches of a core, so that decoding writes memory
/// as a load does. Seeded: the same bytes in every run.
std::vector<WeightData> generated_weights();

/// The first 64 MiB of a file, under its own name, as one-byte elements. Empty when unreadable.
WeightData weights_of_file(const std::string& path);

}  // namespace qload::bench
