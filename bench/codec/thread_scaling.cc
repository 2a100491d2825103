#include "bench/codec/thread_scaling.h"

#include <algorithm>
#include <barrier>
#include <optional>
#include <vector>

#include "bench/codec/processor_pin.h"
#include "bench/load/parallel.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

/// One thread's own of everything.
struct Worker {
  std::optional<ProcessorPin> pin;
  CodedSet set;
  DecodeTarget target;
  std::optional<DecodePass> pass;
  double start = 0;
  double end = 0;
  double cpu_seconds = 0;
};

Status make_ready(Worker& worker, const CodedSet& set, uint32_t processor, uint64_t target_bytes) {
  auto pin = ProcessorPin::create(processor);
  if (!pin) return pin.error();
  worker.pin.emplace(std::move(pin).value());
  QLOAD_TRY(worker.set, set.copy());
  QLOAD_TRY(worker.target, DecodeTarget::create(worker.set, target_bytes));
  worker.pass.emplace(worker.set, worker.target);
  return worker.pass->run();
}

Status run_passes(Worker& worker, uint64_t passes) {
  const double cpu_start = thread_cpu_seconds();
  worker.start = now_seconds();
  for (uint64_t i = 0; i < passes; ++i) QLOAD_CHECK(worker.pass->run());
  worker.end = now_seconds();
  worker.cpu_seconds = thread_cpu_seconds() - cpu_start;
  return Ok{};
}

}  // namespace

Result<PassSample> time_threads(const CodedSet& set, std::span<const uint32_t> processors,
                                uint64_t target_bytes, uint64_t passes) {
  const auto count = static_cast<uint32_t>(processors.size());
  std::vector<Worker> workers(count);
  std::barrier all_ready(count);
  QLOAD_CHECK(run_parallel(count, [&](uint32_t number) -> Status {
    Worker& worker = workers[number];
    const Status ready = make_ready(worker, set, processors[number], target_bytes);
    all_ready.arrive_and_wait();  // Also who failed: nobody waits for the missing.
    Status ran = ready.ok() ? run_passes(worker, passes) : ready;
    worker.pin.reset();  // By the thread it holds.
    return ran;
  }));
  PassSample sample{.passes = passes * count};
  double start = workers[0].start;
  double end = workers[0].end;
  for (const Worker& worker : workers) {
    start = std::min(start, worker.start);
    end = std::max(end, worker.end);
    sample.cpu_seconds += worker.cpu_seconds;
  }
  sample.wall_seconds = end - start;
  return sample;
}

}  // namespace qload::bench
