#include "tools/qrun/memory_share.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "qload/loader.h"

namespace qload::qrun {
namespace {

// What a process has beside weights, caches and activations: code and its libraries, the index,
// io_uring's and the threads' stacks, and for each thread what a decoder takes (a chunk of
// 1 MiB where zstd decodes under a filter). docs/integration.md has the measurement.
constexpr uint64_t kProcessBytes = 12u << 20;
constexpr uint64_t kThreadBytes = 2u << 20;
// The page tables of memory: 8 bytes for each 4 KiB.
constexpr uint64_t kBytesOfPageTableByte = 512;

}  // namespace

Result<MemoryShare> share_memory(uint64_t budget_bytes, uint64_t transformer_bytes,
                                 uint32_t thread_count) {
  std::string_view source = "the budget";
  if (budget_bytes == 0) {
    const auto headroom = memory_headroom();
    if (!headroom) {
      return Error(ErrorCode::kInvalidArgument,
                   "no control group limits this process's memory: streamed weights need --budget");
    }
    budget_bytes = *headroom;
    source = "what the control group leaves";
  }
  MemoryShare share;
  share.engine_bytes = transformer_bytes + kProcessBytes + thread_count * kThreadBytes +
                       budget_bytes / kBytesOfPageTableByte;
  if (share.engine_bytes >= budget_bytes) {
    return Error(ErrorCode::kBudgetTooSmall,
                 text(source, ", ", budget_bytes, " bytes, leaves nothing to weights: the engine ",
                      "itself needs ", share.engine_bytes));
  }
  share.weight_bytes = budget_bytes - share.engine_bytes;
  return share;
}

}  // namespace qload::qrun
