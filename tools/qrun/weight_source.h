// WeightSource: where the weights of a step come from. The engine knows this much of storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>

#include "qload/result.h"
#include "qload/stream.h"
#include "tools/qrun/matrix.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"

namespace qload::qrun {

/// A tensor's bytes while its step runs: all of them, or, for a matrix, rows in strips.
struct TensorBytes {
  std::span<const std::byte> data;
  RowStrips* strips = nullptr;  ///< When not null, `data` is empty.
};

/// What a source has done. Times are seconds.
struct WeightStatistics {
  double load_seconds = 0;      ///< Before the first step.
  double wait_seconds = 0;      ///< In begin_step, since then, and for rows read one by one.
  uint64_t bytes_read = 0;      ///< From storage, as far as the source can tell.
  uint64_t resident_bytes = 0;  ///< Weights that stay in memory; 0 when the kernel decides.
  bool direct = false;          ///< Reads went around the page cache.
  StreamFacts stream;           ///< kStreamed: how the budget is divided.
  PassStatistics last_pass;     ///< kStreamed: the last whole pass.
};

/// Gives out the weights of a WeightPlan, step after step, pass after pass. One step is open at a
/// time. One thread at a time, except that the strips of a step serve the whole team.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// The tensors of step `step`, in the order of WeightPlan::steps[step]; waits until they are
  /// there. Steps come in order, 0 after the last. Views are valid until end_step.
  virtual Result<std::span<const TensorBytes>> begin_step(uint32_t step) = 0;
  /// The step is done: its memory may serve the next. Call it once after each begin_step that
  /// succeeded.
  virtual void end_step() = 0;

  virtual WeightStatistics statistics() const = 0;
};

/// How the weights of a model reach the engine.
enum class WeightMode : uint8_t {
  kWhole,     ///< All in memory before the first token: packed through a Loader, plain by reading.
  kMapped,    ///< A plain file mapped; its pages come on demand.
  kRead,      ///< A plain file read layer after layer into two reused buffers.
  kStreamed,  ///< A container's layers decoded ahead of the engine, within a budget.
  kPacked,    ///< A container kept in memory as stored; products decode it strip by strip.
};

struct WeightOptions {
  WeightMode mode = WeightMode::kWhole;
  uint32_t thread_count = 1;  ///< Of the team.
  /// kRead: tensors that stay in memory, at most this many bytes of them.
  uint64_t resident_bytes = 0;
  /// kRead: through the page cache, rather than around it where the file system allows.
  bool buffered = false;
  /// kStreamed, required: for all that the source keeps in memory, staging included.
  uint64_t budget_bytes = 0;
  /// kStreamed: keep stored bytes in memory, too, where that makes passes shorter.
  bool keep_packed = false;
  /// kStreamed: what the device reads and decodes; zeros: the library's guess.
  StreamRates rates;
  std::stop_token stop;  ///< kStreamed: heeded while a step waits.
};

/// Opens the weights of `model`. All arguments must outlive the source. kInvalidArgument when the
/// mode does not suit the model (kMapped and kRead want a plain one, kStreamed and kPacked a
/// container); kBudgetTooSmall with the number that would do.
Result<std::unique_ptr<WeightSource>> open_weights(const ModelFile& model, const WeightPlan& plan,
                                                   const WeightOptions& options);

}  // namespace qload::qrun
