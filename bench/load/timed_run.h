// One checked or timed load of one contender.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/load/bench_report.h"
#include "bench/load/contender.h"
#include "qload/result.h"

namespace qload::bench {

/// Blocks of the model whose checksums are compared after every timed run.
class AnswerSample {
 public:
  /// Picks up to 64 blocks of 4 KiB, spread over all tensors, and reads them from the source.
  static Result<AnswerSample> create(const ModelSource& source);
  /// kCorrupt names the first tensor that differs.
  Status check(const Contender& contender, const ModelSource& source) const;

 private:
  struct Block {
    uint32_t tensor;
    uint64_t offset;
    uint64_t bytes;
    uint64_t checksum;
  };
  std::vector<Block> blocks_;
};

/// Prepares, loads once and compares every byte of every tensor with the source. Not timed.
Status check_answer(Contender& contender, const ModelSource& source);

/// Loads once, timed, then checks the sample and releases. The contender is prepared.
Result<RunSample> time_load(Contender& contender, const ModelSource& source,
                            const AnswerSample& sample);

}  // namespace qload::bench
