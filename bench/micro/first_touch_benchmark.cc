// First touch of fresh memory: pieces of several sizes, and what claiming a chunk's pages gains a
// thread that is about to decode into them.
//
//   qload_micro_touch [--benchmark_filter=...]
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "runtime/memory/destination_block.h"
#include "runtime/memory/prefaulter.h"

namespace {

using qload::DestinationBlock;
using qload::HugePages;
using qload::Prefaulter;

constexpr uint64_t kMemoryBytes = 256u << 20;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/// Runs `work(offset)` for each `step_bytes` of the memory on `threads` threads; seconds.
double run_steps(int64_t threads, uint64_t step_bytes, const std::function<void(uint64_t)>& work) {
  std::atomic<uint64_t> next = 0;
  const auto take_steps = [&] {
    for (uint64_t at = next.fetch_add(step_bytes); at < kMemoryBytes;
         at = next.fetch_add(step_bytes)) {
      work(at);
    }
  };
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int64_t i = 1; i < threads; ++i) others.emplace_back(take_steps);
  take_steps();
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// One pass over fresh memory for each iteration. Arguments: KiB a step, threads, huge pages.
template <class Work>
void run_passes(benchmark::State& state, Work&& work) {
  const uint64_t step_bytes = static_cast<uint64_t>(state.range(0)) << 10;
  const HugePages mode = state.range(2) != 0 ? HugePages::kAlways : HugePages::kNever;
  for (auto _ : state) {
    auto block = DestinationBlock::allocate(kMemoryBytes, 4096, {}, qload::Pinning::kNever);
    if (!block.ok()) return state.SkipWithError("no memory");
    Prefaulter prefaulter;
    prefaulter.start({block->data(), block->bytes()}, mode);
    if (mode == HugePages::kNever) madvise(block->data(), kMemoryBytes, MADV_NOHUGEPAGE);
    bool good = true;
    state.SetIterationTime(run_steps(state.range(1), step_bytes, [&](uint64_t at) {
      work(prefaulter, block->data() + at, step_bytes);
    }));
    for (uint64_t at = 0; at < kMemoryBytes; at += step_bytes) {
      good = good && (block->data()[at] == std::byte{0} || block->data()[at] == std::byte{3});
    }
    if (!good) return state.SkipWithError("the memory holds what nobody wrote");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kMemoryBytes));
}

void populate(benchmark::State& state) {
  run_passes(state, [](Prefaulter&, std::byte* at, uint64_t bytes) {
    madvise(at, bytes, MADV_POPULATE_WRITE);
  });
}

/// A copy from the cache stands for the decoder.
void write_chunk(std::byte* at, uint64_t bytes) {
  static thread_local std::vector<std::byte> source;
  source.resize(bytes, std::byte{3});
  std::memcpy(at, source.data(), bytes);
}

void write_first(benchmark::State& state) {
  run_passes(state, [](Prefaulter&, std::byte* at, uint64_t bytes) { write_chunk(at, bytes); });
}

void claim_then_write(benchmark::State& state) {
  run_passes(state, [](Prefaulter& prefaulter, std::byte* at, uint64_t bytes) {
    prefaulter.touch_range(at, bytes);
    write_chunk(at, bytes);
  });
}

}  // namespace

#define QLOAD_TOUCH_BENCHMARK(name, ...)           \
  BENCHMARK(name)                                  \
      ->ArgNames({"KiB", "threads", "huge"})       \
      ->ArgsProduct({__VA_ARGS__, {1, 2}, {0, 1}}) \
      ->UseManualTime()                            \
      ->MeasureProcessCPUTime()                    \
      ->Unit(benchmark::kMillisecond)

QLOAD_TOUCH_BENCHMARK(populate, {1024, 2048, 4096, 8192});
QLOAD_TOUCH_BENCHMARK(write_first, {256, 512, 1024, 2048});
QLOAD_TOUCH_BENCHMARK(claim_then_write, {256, 512, 1024, 2048});

BENCHMARK_MAIN();
