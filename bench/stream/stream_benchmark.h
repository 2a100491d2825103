// The stream benchmark: a model passed over again and again in less memory than it decodes to, by
// every contender, limit of memory and storage rate, in turns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/stream/stream_report.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

/// A limit of memory as users write it: "25%" of the decoded model, or bytes ("300M", powers of
/// 1024).
struct MemoryLimit {
  std::string text;
  double share = 0;  ///< Of the decoded model; 0: see bytes.
  uint64_t bytes = 0;

  uint64_t of(uint64_t decoded_bytes) const;
};
/// kInvalidArgument for a text that is none, or means no memory.
Result<MemoryLimit> parse_limit(std::string_view text);

/// What a process holds beside the stream's budget: the index, stacks and scratch memory of
/// threads, the ring, page tables. Measured: 2 to 6 MB for a model of 1.3 GB, 10 MB for one of 6.7
/// GB, with two decode threads (docs/benchmarking.md, "Models beyond memory").
inline constexpr uint64_t kStreamOverheadBytes = 16ull << 20;

struct StreamBenchmarkOptions {
  std::filesystem::path model;
  std::filesystem::path packed;         ///< Empty: packed into scratch.
  std::filesystem::path scratch;        ///< Empty: beside the model.
  std::vector<std::string> contenders;  ///< Names; empty: all.
  std::vector<MemoryLimit> memory;      ///< Not empty.
  uint64_t budget_bytes = 0;            ///< qload's; 0: the limit less overhead_bytes.
  uint64_t overhead_bytes = kStreamOverheadBytes;
  std::vector<uint64_t> throttle_rates = {0};  ///< Bytes per second; 0: no throttle.
  PassWork work;
  uint32_t runs = 3;
  bool keep_packed = false;
  bool no_limit = false;        ///< Without control groups.
  std::string target;           ///< Profile that the planner's rates come from; empty: measured.
  double roofline_seconds = 2;  ///< Of reading for each measurement of storage; 0: the container.
  LoaderOptions loader = {};    ///< Staging memory and decode threads.
};

/// Runs it. A throttle or a budget that cannot be is left out, and so is a contender that this
/// machine cannot run or that the limit kills; the error is the first reason when nothing of qload
/// remains. kInvalidArgument for an unknown contender; kUnsupported or kIo where memory cannot be
/// limited; kCorrupt when an answer is wrong.
Result<StreamReport> run_stream_benchmark(const StreamBenchmarkOptions& options,
                                          InterruptGuard& interrupts);

}  // namespace qload::bench
