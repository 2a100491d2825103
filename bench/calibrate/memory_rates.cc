#include "bench/calibrate/memory_rates.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "bench/codec/timed_passes.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/parallel.h"
#include "format/base/checksum.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// Beyond every cache, and a small part of any machine's memory.
constexpr uint64_t kBlockBytes = 256ull << 20;
constexpr uint64_t kQuickBlockBytes = 64ull << 20;
constexpr uint32_t kRepetitions = 5;
constexpr uint32_t kQuickRepetitions = 3;
// A huge page.
constexpr uint64_t kPieceBytes = 2u << 20;

/// Rates of `pass`, which returns the seconds that it took over `bytes` bytes.
Result<Rate> repeat(uint32_t count, uint64_t bytes, const std::function<Result<double>()>& pass) {
  std::vector<double> rates;
  for (uint32_t i = 0; i < count; ++i) {
    QLOAD_TRY(const double seconds, pass());
    rates.push_back(static_cast<double>(bytes) / std::max(seconds, 1e-9));
  }
  return spread_of(std::move(rates));
}

/// Lets `threads` threads share the pieces of `bytes` bytes and returns the processor time of one:
/// of all of them by their number. On a machine that others use, too, wall time says nothing.
double piecewise_seconds(uint64_t bytes, uint32_t threads,
                         const std::function<void(uint64_t offset)>& work) {
  std::atomic<uint64_t> next{0};
  std::vector<double> seconds(threads);
  (void)run_parallel(threads, [&](uint32_t number) -> Status {
    const double start = thread_cpu_seconds();
    for (;;) {
      const uint64_t offset = next.fetch_add(kPieceBytes);
      if (offset >= bytes) break;
      work(offset);
    }
    seconds[number] = thread_cpu_seconds() - start;
    return Ok{};
  });
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) / threads;
}

Result<double> touch_seconds(uint64_t bytes, bool huge_pages, uint32_t threads) {
  QLOAD_TRY(const FreshMemory memory, FreshMemory::allocate(bytes, huge_pages));
  return piecewise_seconds(bytes, threads, [&](uint64_t offset) {
    populate_pages(memory.bytes().subspan(offset, kPieceBytes));
  });
}

double copy_seconds(std::span<const std::byte> from, std::span<std::byte> to, uint32_t threads) {
  return piecewise_seconds(to.size(), threads, [&](uint64_t offset) {
    std::memcpy(to.data() + offset, from.data() + offset, kPieceBytes);
  });
}

}  // namespace

Result<MemoryCalibration> measure_memory(uint32_t threads, bool quick) {
  const uint64_t bytes = quick ? kQuickBlockBytes : kBlockBytes;
  const uint32_t count = quick ? kQuickRepetitions : kRepetitions;
  MemoryCalibration memory;
  QLOAD_TRY(memory.touch_small,
            repeat(count, bytes, [&] { return touch_seconds(bytes, false, threads); }));
  if (huge_pages_available()) {
    QLOAD_TRY(memory.touch_huge,
              repeat(count, bytes, [&] { return touch_seconds(bytes, true, threads); }));
  }
  QLOAD_TRY(const FreshMemory from, FreshMemory::allocate(bytes / 2, huge_pages_available()));
  QLOAD_TRY(const FreshMemory to, FreshMemory::allocate(bytes / 2, huge_pages_available()));
  populate_parallel(from.bytes(), threads);
  populate_parallel(to.bytes(), threads);
  QLOAD_TRY(memory.copy, repeat(count, bytes / 2, [&]() -> Result<double> {
              return copy_seconds(from.bytes(), to.bytes(), threads);
            }));
  // The answer is used, so that the work is done.
  uint64_t sum = 0;
  QLOAD_TRY(memory.checksum, repeat(count, bytes / 2, [&]() -> Result<double> {
              const double start = thread_cpu_seconds();
              for (uint64_t offset = 0; offset < bytes / 2; offset += kPieceBytes) {
                sum += checksum64(from.bytes().subspan(offset, kPieceBytes));
              }
              return thread_cpu_seconds() - start;
            }));
  const uint64_t expected = checksum64(from.bytes().first(kPieceBytes)) * (bytes / 2 / kPieceBytes);
  if (sum != expected * count) {
    return Error(ErrorCode::kCorrupt, "checksums of the same bytes differ");
  }
  return memory;
}

}  // namespace qload::bench
