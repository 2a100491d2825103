#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "bench/micro/micro_benchmarks.h"
#include "format/base/checksum.h"

namespace qload::bench {
namespace {

constexpr size_t kChunkBytes = 1u << 20;

std::vector<std::byte> counted_bytes() {
  std::vector<std::byte> bytes(kChunkBytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 167 >> 3);
  return bytes;
}

/// One chunk and its streams.
struct Planes {
  explicit Planes(const Filter& filter) : chunk(counted_bytes()), memory(kChunkBytes) {
    std::span<std::byte> rest(memory);
    for (uint32_t i = 0; i < filter.stream_count; ++i) {
      const size_t bytes = filter.stream_bytes(kChunkBytes, i);
      to.push_back(rest.first(bytes));
      from.emplace_back(rest.first(bytes));
      rest = rest.subspan(bytes);
    }
  }
  std::vector<std::byte> chunk;
  std::vector<std::byte> memory;
  std::vector<std::span<std::byte>> to;
  std::vector<std::span<const std::byte>> from;
};

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kChunkBytes));
}

void split_benchmark(benchmark::State& state, const Filter* filter) {
  Planes planes(*filter);
  for (auto _ : state) {
    filter->split(planes.chunk, planes.to);
    benchmark::ClobberMemory();
  }
  std::vector<std::byte> merged(kChunkBytes);
  filter->merge(planes.from, merged);
  if (merged != planes.chunk) return state.SkipWithError("split bytes differ");
  set_bytes(state);
}

void merge_benchmark(benchmark::State& state, const Filter* filter) {
  Planes planes(*filter);
  filter->split(planes.chunk, planes.to);
  std::vector<std::byte> merged(kChunkBytes);
  filter->merge(planes.from, merged);
  if (merged != planes.chunk) return state.SkipWithError("merged bytes differ");
  for (auto _ : state) {
    filter->merge(planes.from, merged);
    benchmark::ClobberMemory();
  }
  set_bytes(state);
}

void checksum_benchmark(benchmark::State& state) {
  const auto bytes = counted_bytes();
  for (auto _ : state) benchmark::DoNotOptimize(checksum64(bytes));
  set_bytes(state);
}

void memcpy_benchmark(benchmark::State& state) {
  const auto from = counted_bytes();
  std::vector<std::byte> to(kChunkBytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), kChunkBytes);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  set_bytes(state);
}

}  // namespace

void register_filter_benchmarks() {
  for (const Filter& filter : all_filters()) {
    const std::string name(filter.name);
    benchmark::RegisterBenchmark(("split/" + name).c_str(), split_benchmark, &filter);
    benchmark::RegisterBenchmark(("merge/" + name).c_str(), merge_benchmark, &filter);
  }
  benchmark::RegisterBenchmark("checksum64", checksum_benchmark);
  benchmark::RegisterBenchmark("memcpy", memcpy_benchmark);
}

}  // namespace qload::bench
