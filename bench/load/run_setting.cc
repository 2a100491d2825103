#include "bench/load/run_setting.h"

#include <algorithm>
#include <vector>

#include "bench/load/fresh_memory.h"
#include "bench/load/machine.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

Status prepare_cache(std::span<const std::filesystem::path> files, const RunSetting& setting) {
  return setting.cold ? drop_cached(files, setting.cold_method) : fill_cache(files);
}

}  // namespace

Status require_model(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return Ok{};
  if (error) return Error(ErrorCode::kIo, text(quote(path.string()), ": ", error.message()));
  return Error(ErrorCode::kNotFound, text("there is no model at ", quote(path.string())));
}

Status settle_memory(const BenchModel& model, uint32_t threads) {
  const uint64_t needed = 2 * model.plain_bytes + model.compressed_bytes;
  QLOAD_TRY(const FreshMemory memory,
            FreshMemory::allocate(std::min(needed, available_memory_bytes() / 2), true));
  populate_parallel(memory.bytes(), threads);
  return Ok{};
}

Result<RunSample> run_contender(Contender& contender, const BenchModel& model,
                                const AnswerSample& sample, const RunSetting& setting) {
  const std::vector<std::filesystem::path> files = contender.files();
  QLOAD_CHECK(contender.prepare());
  QLOAD_CHECK(prepare_cache(files, setting));
  QLOAD_CHECK(settle_memory(model, setting.threads));
  // Where memory is short, settling takes pages of the file.
  if (!setting.cold) QLOAD_CHECK(fill_cache(files));
  QLOAD_TRY(const double cached, cached_share(files));
  if (setting.throttle != nullptr) QLOAD_CHECK(setting.throttle->drain());
  QLOAD_TRY(RunSample run, time_load(contender, model.source, sample));
  run.cached_share = cached;
  return run;
}

Result<RooflinePair> measure_beside(Roofline& roofline, double load_seconds,
                                    const BenchModel& model, const RunSetting& setting) {
  // Without O_DIRECT the load before has left the container in the page cache.
  QLOAD_CHECK(prepare_cache(std::span(&model.packed, 1), setting));
  QLOAD_CHECK(settle_memory(model, setting.threads));
  if (setting.throttle != nullptr) QLOAD_CHECK(setting.throttle->drain());
  QLOAD_TRY(RooflinePair pair, roofline.measure(!setting.cold, setting.threads));
  pair.load_seconds = load_seconds;
  return pair;
}

}  // namespace qload::bench
