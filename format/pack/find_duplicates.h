// Finds tensors that hold the same bytes, so that the packer stores them once.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "format/input/model_source.h"
#include "format/pack/progress_meter.h"
#include "qload/result.h"

namespace qload {

/// Smaller tensors are not looked for: a load reads them together with their neighbours, so that a
/// copy stored apart would save less than one block (kAlignmentMin) of reading, and a load of the
/// copy's layer alone would need a read of its own for it.
inline constexpr uint64_t kDuplicateBytesMin = 4096;

/// For each tensor of `source` the lowest number of a tensor that it equals: the same bytes,
/// dtype and innermost dimension. Its own number when there is none. The first three decide where
/// a tensor is cut and how its chunks are coded, so one run of chunks is right for both; the outer
/// dimensions decide nothing.
///
/// Reads a few blocks of the tensors that agree in size, and the whole of those that agree in the
/// blocks too: once to digest them and once more, with the tensor that they equal, to compare
/// every byte. `progress` counts the bytes of both. Memory is bounded by two pieces for each
/// thread; the answer is the same for any number of threads. kCancelled when `stop` is requested.
/// REQUIRES: threads in [1, kPipelineThreadsMax].
Result<std::vector<uint32_t>> find_duplicates(const ModelSource& source, uint32_t threads,
                                              ProgressMeter& progress, std::stop_token stop);

}  // namespace qload
