#include "bench/calibrate/cold_load.h"

#include "bench/load/cold_cache.h"
#include "bench/load/parallel.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {

Result<ColdLoad> load_cold(const std::filesystem::path& container, uint32_t decode_threads,
                           Throttle* throttle) {
  QLOAD_CHECK(drop_cached(std::span(&container, 1), ColdMethod::kAdvise));
  if (throttle != nullptr) QLOAD_CHECK(throttle->drain());
  ColdLoad load;
  LoaderOptions options;
  options.decode_threads = decode_threads;
  const double start = now_seconds();
  QLOAD_TRY(const Model model, Model::open(container));
  QLOAD_TRY(Loader loader, Loader::create(options));
  QLOAD_TRY(const Weights weights, loader.load(model, {.statistics = &load.statistics}));
  load.seconds = now_seconds() - start;
  if (weights.tensors().size() != model.tensors().size()) {
    return Error(ErrorCode::kCorrupt, "a load of all tensors returned fewer");
  }
  return load;
}

}  // namespace qload::bench
