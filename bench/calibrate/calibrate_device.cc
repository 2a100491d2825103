#include "bench/calibrate/calibrate_device.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/calibrate/cold_load.h"
#include "bench/calibrate/decode_rates.h"
#include "bench/calibrate/memory_rates.h"
#include "bench/calibrate/scratch_file.h"
#include "bench/calibrate/storage_rates.h"
#include "bench/load/parallel.h"
#include "bench/load/progress_line.h"
#include "bench/load/scratch_directory.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tools/report/size_text.h"

namespace qload::bench {
namespace {

// Enough for one second of the fastest drive of --quick.
constexpr uint64_t kQuickFileBytes = 128ull << 20;
constexpr uint32_t kOverheadLoads = 9;
constexpr uint32_t kQuickOverheadLoads = 3;

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "this device";
  return tools::printable(name).substr(0, tools::kProfileNameMax);
}

/// A container of one tensor of one block: what is left of a load when there is nothing to load.
Status pack_next_to_nothing(const std::filesystem::path& directory) {
  const std::filesystem::path source_path = directory / "tiny.bin";
  QLOAD_TRY(AtomicFile file, AtomicFile::create(source_path, {}));
  QLOAD_CHECK(file.write_at(0, std::vector<std::byte>(4096, std::byte{1})));
  QLOAD_CHECK(file.commit());
  QLOAD_TRY(const ModelSource source, open_model_source(source_path, OpenAs::kRaw));
  QLOAD_TRY([[maybe_unused]] const PackReport report,
            pack_model(source, directory / "tiny.qpk", {.threads = 1}));
  return Ok{};
}

Result<Spread> measure_overhead(const std::filesystem::path& directory, uint32_t threads,
                                bool quick) {
  QLOAD_CHECK(pack_next_to_nothing(directory));
  std::vector<double> seconds;
  for (uint32_t i = 0; i < (quick ? kQuickOverheadLoads : kOverheadLoads); ++i) {
    QLOAD_TRY(const ColdLoad load, load_cold(directory / "tiny.qpk", threads, nullptr));
    seconds.push_back(load.seconds);
  }
  return spread_of(std::move(seconds));
}

tools::DeviceProfile make_profile(const Calibration& calibration, const DecodeRates& decode,
                                  const CalibrationOptions& options, uint32_t threads) {
  tools::DeviceProfile profile;
  profile.name = options.name.empty() ? host_name() : options.name;
  profile.description = text(calibration.machine.cpu, ", ", calibration.machine.file_system,
                             options.throttle_rate > 0
                                 ? text(", reads limited to ", options.throttle_rate, " bytes/s")
                                 : std::string());
  const MemoryCalibration& memory = calibration.memory;
  profile.device = {.storage_bytes_per_second = calibration.storage.sequential.median,
                    .storage_latency_seconds = calibration.storage.latency_seconds.median,
                    .decode_threads = threads,
                    .thread_scaling = decode.thread_scaling,
                    .store_rate = decode.store,
                    .lane_huffman_rate = decode.lane_huffman,
                    .zstd_rate = decode.zstd,
                    .fse_rate = decode.fse,
                    .planes_rate = decode.planes,
                    .blocks_rate = decode.blocks,
                    .checksum_rate = memory.checksum.median,
                    // A loader takes huge pages unless they stall.
                    .touch_rate = std::max(memory.touch_huge.median, memory.touch_small.median),
                    .copy_rate = memory.copy.median,
                    .page_cache_rate = calibration.storage.cached.median,
                    // Whatever makes it longer is another's work.
                    .overhead_seconds = calibration.overhead_seconds.min};
  return profile;
}

}  // namespace

Result<Calibration> calibrate_device(const CalibrationOptions& options,
                                     InterruptGuard& interrupts) {
  const double start = now_seconds();
  const uint32_t threads = options.threads == 0 ? available_processors() : options.threads;
  Calibration calibration{.machine = describe_machine(options.directory)};
  ProgressLine progress;
  const auto show = [&](std::string_view what) { progress.show(what); };
  QLOAD_TRY(const ScratchDirectory scratch,
            ScratchDirectory::create(options.directory, interrupts));
  show("decode");
  QLOAD_TRY(const DecodeRates decode,
            measure_decoding({.threads = threads, .quick = options.quick, .on_step = show}));
  calibration.decode = decode.rows;
  show("memory");
  QLOAD_TRY(calibration.memory, measure_memory(threads, options.quick));
  show("loads of next to nothing");
  QLOAD_TRY(calibration.overhead_seconds, measure_overhead(scratch.path(), threads, options.quick));
  show("write the scratch file");
  const std::filesystem::path file = scratch.path() / "scratch";
  QLOAD_TRY([[maybe_unused]] const uint64_t bytes,
            write_scratch_file(file, options.quick ? std::min(kQuickFileBytes, options.file_bytes)
                                                   : options.file_bytes));
  std::unique_ptr<Throttle> throttle;
  if (options.throttle_rate > 0) {
    show("throttle");
    QLOAD_TRY(throttle, Throttle::create(scratch.path(), options.throttle_rate, interrupts));
  }
  QLOAD_TRY(calibration.storage, measure_storage({.file = file,
                                                  .threads = threads,
                                                  .throttle = throttle.get(),
                                                  .quick = options.quick,
                                                  .on_step = show}));
  calibration.profile = make_profile(calibration, decode, options, threads);
  calibration.seconds = now_seconds() - start;
  return calibration;
}

}  // namespace qload::bench
