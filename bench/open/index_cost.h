// What each tensor of an index costs, by a model that is nothing but index.
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/open/open_report.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

/// Generates and packs a model of `tensor_count` tiny tensors in `scratch`, checks a load of it
/// byte by byte, then opens, searches and loads it `runs` times from the page cache.
Result<IndexCost> measure_index_cost(uint64_t tensor_count, uint32_t runs,
                                     const std::filesystem::path& scratch,
                                     const LoaderOptions& loader);

}  // namespace qload::bench
