// What the steps of a pass read, and where it lands. Pure planning.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"

namespace qload::qrun {

/// One read: offset, bytes and place are multiples of kDirectAlignment, except that the file may
/// end before the read does.
struct ReadRun {
  uint32_t file = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t bytes_wanted = 0;  ///< Up to the end of its last tensor.
  uint64_t place = 0;         ///< In the buffer.
};

/// What is read together: the runs, and where each tensor lies in the buffer afterwards.
struct ReadGroup {
  std::vector<ReadRun> runs;
  std::vector<uint32_t> tensors;  ///< Numbers of the model's.
  std::vector<uint64_t> places;   ///< One for each of them.
  uint64_t buffer_bytes = 0;
};

/// Lays `tensors` out: neighbours in a file are read in one run.
ReadGroup lay_out_reads(std::span<const ModelTensor> model, std::vector<uint32_t> tensors);

struct ReadLayout {
  ReadGroup resident;              ///< Read once.
  std::vector<ReadGroup> steps;    ///< Read in each pass.
  bool embedding_by_rows = false;  ///< The embedding is not resident: its rows are read one by one.
  uint64_t step_bytes_max = 0;     ///< Of the largest step's buffer.
};

/// Chooses what stays: vectors and scales, then matrices in the order of their steps, while
/// `resident_bytes` lasts. Every resident byte saves a byte of each pass, whichever it is, except
/// those of an embedding that is not the output: a token needs one row of it.
ReadLayout plan_reads(std::span<const ModelTensor> model, const WeightPlan& plan,
                      uint64_t resident_bytes);

}  // namespace qload::qrun
