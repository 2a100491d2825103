#include "bench/calibrate/storage_rates.h"

#include <algorithm>
#include <random>

#include "bench/load/cold_cache.h"
#include "bench/load/parallel.h"
#include "bench/load/storage_reader.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// A sweep tells shapes apart; the best is measured again, longer.
constexpr double kSweepSeconds = 0.15;
constexpr double kQuickSweepSeconds = 0.05;
constexpr double kSequentialSeconds = 0.5;
constexpr double kQuickSequentialSeconds = 0.2;
constexpr uint32_t kRepetitions = 5;
constexpr uint32_t kQuickRepetitions = 3;
constexpr uint32_t kLatencyReads = 200;
constexpr uint32_t kQuickLatencyReads = 50;
constexpr uint64_t kBufferedReadBytes = 1u << 20;

class StorageMeasurement {
 public:
  StorageMeasurement(const StorageRatesJob& job, StorageReader& reader)
      : job_(job), reader_(reader) {}

  Result<StorageCalibration> run() {
    StorageCalibration storage{.method = reader_.method(),
                               .direct = reader_.is_direct(),
                               .file_bytes = reader_.file_bytes()};
    if (job_.throttle != nullptr) storage.throttle = job_.throttle->description();
    QLOAD_CHECK(sweep(storage));
    QLOAD_CHECK(sequential(storage));
    QLOAD_CHECK(latency(storage));
    QLOAD_CHECK(buffered(storage));
    QLOAD_CHECK(cached(storage));
    return storage;
  }

 private:
  uint32_t repetitions() const { return job_.quick ? kQuickRepetitions : kRepetitions; }

  void step(const std::string& what) const {
    if (job_.on_step) job_.on_step(what);
  }

  /// Nothing in the page cache that could be read instead, and no credit left of the throttle's.
  Status prepare(bool cold) {
    if (cold) QLOAD_CHECK(drop_cached(std::span(&job_.file, 1), ColdMethod::kAdvise));
    return job_.throttle == nullptr ? Status(Ok{}) : job_.throttle->drain();
  }

  Status sweep(StorageCalibration& storage) {
    double best = 0;
    for (const uint32_t read_bytes : kSweepReadBytes) {
      for (const uint32_t depth : kSweepDepths) {
        if (uint64_t{depth} * read_bytes > kSweepRingBytesMax) continue;
        // Every other size and depth shows where the plateau is.
        if (job_.quick && (read_bytes == 512u << 10 || read_bytes == 2u << 20 || depth % 16 != 0)) {
          continue;
        }
        const ReadShape shape{.read_bytes = read_bytes, .depth = depth};
        step(text("storage: ", read_bytes >> 10, " KiB, ", depth, " in flight"));
        QLOAD_CHECK(prepare(!reader_.is_direct()));
        QLOAD_TRY(const double rate,
                  reader_.rate(shape, job_.quick ? kQuickSweepSeconds : kSweepSeconds));
        storage.sweep.push_back({shape, rate});
        if (rate <= best) continue;
        best = rate;
        storage.shape = shape;
      }
    }
    return Ok{};
  }

  Status sequential(StorageCalibration& storage) {
    std::vector<double> rates;
    for (uint32_t i = 0; i < repetitions(); ++i) {
      step(text("storage: sequential, ", i + 1, "/", repetitions()));
      QLOAD_CHECK(prepare(!reader_.is_direct()));
      // A throttle lets reads through in slices of 0.1 s: it takes several to show the rate.
      const bool brief = job_.quick && job_.throttle == nullptr;
      QLOAD_TRY(const double rate,
                reader_.rate(storage.shape, brief ? kQuickSequentialSeconds : kSequentialSeconds));
      rates.push_back(rate);
    }
    storage.sequential = spread_of(std::move(rates));
    return Ok{};
  }

  Status latency(StorageCalibration& storage) {
    step("storage: single reads");
    constexpr uint32_t kReadBytes = 4096;
    std::mt19937_64 random(2);
    std::vector<double> seconds;
    QLOAD_CHECK(prepare(!reader_.is_direct()));
    for (uint32_t i = 0; i < (job_.quick ? kQuickLatencyReads : kLatencyReads); ++i) {
      const uint64_t offset = random() % (reader_.file_bytes() / kReadBytes) * kReadBytes;
      QLOAD_TRY(const double one, reader_.read_seconds(offset, kReadBytes));
      seconds.push_back(one);
    }
    storage.latency_seconds = spread_of(std::move(seconds));
    return Ok{};
  }

  Status buffered(StorageCalibration& storage) {
    QLOAD_TRY(const PlainFile file, PlainFile::open(job_.file));
    file.advise_sequential();
    std::vector<std::byte> memory(kBufferedReadBytes);
    std::vector<double> rates;
    for (uint32_t i = 0; i < (job_.quick ? 1 : kQuickRepetitions); ++i) {
      step(text("storage: through the page cache, cold, ", i + 1));
      QLOAD_CHECK(prepare(true));
      const double start = now_seconds();
      uint64_t offset = 0;
      while (offset < file.bytes() && now_seconds() - start < kSequentialSeconds) {
        QLOAD_CHECK(file.read_at(offset, memory, memory.size()));
        offset += memory.size();
      }
      rates.push_back(static_cast<double>(offset) / (now_seconds() - start));
    }
    storage.buffered_cold = spread_of(std::move(rates));
    return Ok{};
  }

  Status cached(StorageCalibration& storage) {
    step("page cache: fill");
    QLOAD_CHECK(fill_cache(std::span(&job_.file, 1)));
    std::vector<double> rates;
    for (uint32_t i = 0; i < repetitions(); ++i) {
      step(text("page cache: ", i + 1, "/", repetitions()));
      QLOAD_TRY(const double rate, reader_.cached_rate(job_.threads));
      rates.push_back(rate);
    }
    storage.cached = spread_of(std::move(rates));
    return Ok{};
  }

  const StorageRatesJob& job_;
  StorageReader& reader_;
};

}  // namespace

Result<StorageCalibration> measure_storage(const StorageRatesJob& job) {
  QLOAD_TRY(const std::unique_ptr<StorageReader> reader,
            StorageReader::open(job.file, job.threads));
  return StorageMeasurement(job, *reader).run();
}

}  // namespace qload::bench
