#include "bench/load/run_setting.h"

#include <algorithm>
#include <vector>

#include "bench/load/fresh_memory.h"
#include "bench/load/machine.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// The destination, and what the contender that takes most stages: all of the compressed file.
uint64_t needed_bytes(const BenchModel& model) {
  return 2 * model.plain_bytes + model.compressed_bytes;
}

// Returns the share of the files that is cached then. The throttle comes last: an idle moment gives
// it a slice again.
Result<double> start_from(std::span<const std::filesystem::path> files, const BenchModel& model,
                          const RunSetting& setting) {
  QLOAD_CHECK(setting.cold ? drop_cached(files, setting.cold_method) : fill_cache(files));
  QLOAD_CHECK(settle_memory(needed_bytes(model), setting.threads));
  // Where memory is short, settling takes pages of the files.
  if (!setting.cold) QLOAD_CHECK(fill_cache(files));
  QLOAD_TRY(const double cached, cached_share(files));
  if (setting.throttle != nullptr) QLOAD_CHECK(setting.throttle->drain());
  return cached;
}

}  // namespace

Status require_model(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return Ok{};
  if (error) return Error(ErrorCode::kIo, text(quote(path.string()), ": ", error.message()));
  return Error(ErrorCode::kNotFound, text("there is no model at ", quote(path.string())));
}

Status settle_memory(uint64_t bytes, uint32_t threads) {
  QLOAD_TRY(const FreshMemory memory,
            FreshMemory::allocate(std::min(bytes, available_memory_bytes() / 2), true));
  populate_parallel(memory.bytes(), threads);
  return Ok{};
}

Result<RunSample> run_contender(Contender& contender, const BenchModel& model,
                                const AnswerSample& sample, const RunSetting& setting) {
  const std::vector<std::filesystem::path> files = contender.files();
  QLOAD_CHECK(contender.prepare());
  QLOAD_TRY(const double cached, start_from(files, model, setting));
  QLOAD_TRY(RunSample run, time_load(contender, model.source, sample));
  run.cached_share = cached;
  return run;
}

Result<RooflinePair> measure_beside(Roofline& roofline, double load_seconds,
                                    const BenchModel& model, const RunSetting& setting) {
  // Without O_DIRECT the load before has left the container in the page cache.
  QLOAD_TRY([[maybe_unused]] const double cached,
            start_from(std::span(&model.packed, 1), model, setting));
  QLOAD_TRY(RooflinePair pair, roofline.measure(!setting.cold, setting.threads));
  pair.load_seconds = load_seconds;
  return pair;
}

}  // namespace qload::bench
