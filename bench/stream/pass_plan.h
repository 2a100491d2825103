// The layers of a pass, and which of their tensors stay in memory from pass to pass.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/paper/stream_plan.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "qload/result.h"
#include "qload/stream.h"

namespace qload::bench {

/// One group of the container: numbers of its tensors, in load order.
struct PassLayer {
  std::vector<uint32_t> streamed;
  std::vector<uint32_t> resident;
};

struct PassPlan {
  std::vector<PassLayer> layers;
  uint64_t resident_bytes = 0;  ///< Memory of what stays.
  bool overlaps = false;        ///< The budget holds two layers beside it.
};

struct PassBudget {
  uint64_t budget_bytes = 0;
  uint64_t staging_bytes = 0;
  StreamRates rates = {};
};

/// All of every layer streamed: for whoever keeps nothing.
PassPlan plan_all_streamed(const Index& index);

/// The tensors that Loader::stream keeps decoded with that budget, so many decode threads (0: as
/// if rates.compute_threads were all of them) and otherwise default options. kBudgetTooSmall names
/// the budget that would do.
Result<PassPlan> plan_as_stream(const Container& container, const PassBudget& budget,
                                uint32_t threads);

/// Where tensors lie in the plain files and in an arena of their own: ranges to read or to map.
/// `tensors` are numbers in the index; `sources` are, by such number, those in `source`.
StreamPiece make_piece(const Index& index, const ModelSource& source,
                       const std::vector<uint32_t>& sources, const std::vector<uint32_t>& tensors);

/// The number of every tensor of the index in `source`. kCorrupt when the two do not hold the same.
Result<std::vector<uint32_t>> match_sources(const Index& index, const ModelSource& source);

}  // namespace qload::bench
