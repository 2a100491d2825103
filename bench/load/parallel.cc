#include "bench/load/parallel.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace qload::bench {

Status run_parallel(uint32_t threads, const std::function<Status(uint32_t)>& work) {
  std::vector<std::optional<Status>> results(threads);
  std::vector<std::thread> others;
  others.reserve(threads);
  for (uint32_t number = 1; number < threads; ++number) {
    others.emplace_back([&, number] { results[number].emplace(work(number)); });
  }
  if (threads > 0) results[0].emplace(work(0));
  for (std::thread& other : others) other.join();
  for (std::optional<Status>& result : results) {
    if (result && !result->ok()) return std::move(*result);
  }
  return Ok{};
}

uint32_t available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace qload::bench
