// How a budget of memory is divided between the engine and its weights.
#pragma once

#include <cstdint>

#include "qload/result.h"
#include "tools/qrun/model_config.h"

namespace qload::qrun {

struct MemoryShare {
  uint64_t engine_bytes = 0;  ///< Keys and values, activations, code, threads.
  uint64_t weight_bytes = 0;
};

/// Divides `budget_bytes`; 0 stands for what the process's control groups still leave it.
/// `transformer_bytes` is Transformer::memory_bytes, and the tokenizer's. kInvalidArgument when
/// there is no budget and no limit either; kBudgetTooSmall when nothing is left for weights.
Result<MemoryShare> share_memory(uint64_t budget_bytes, uint64_t transformer_bytes,
                                 uint32_t thread_count);

}  // namespace qload::qrun
