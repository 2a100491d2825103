// qload_micro [--file=PATH ...] [Google Benchmark's own options]
//
// Decoded bytes per second of codecs, filters and checksums on one core. Answers are checked
// before they are timed. Each --file adds its bytes, raw, as one more kind of data. For figures
// to compare: --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
// --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "bench/micro/micro_benchmarks.h"

int main(int argc, char** argv) {
  auto data = qload::bench::generated_weights();
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    constexpr std::string_view kFile = "--file=";
    const std::string_view argument(argv[i]);
    if (!argument.starts_with(kFile)) {
      rest.push_back(argv[i]);
      continue;
    }
    data.push_back(qload::bench::weights_of_file(std::string(argument.substr(kFile.size()))));
    if (data.back().bytes.empty()) {
      std::fprintf(stderr, "qload_micro: cannot read %s\n", argv[i] + kFile.size());
      return 1;
    }
  }
  int rest_count = static_cast<int>(rest.size());
  benchmark::Initialize(&rest_count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(rest_count, rest.data())) return 2;
  qload::bench::register_codec_benchmarks(data);
  qload::bench::register_filter_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
