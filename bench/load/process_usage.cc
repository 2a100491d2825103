#include "bench/load/process_usage.h"

#include <sys/resource.h>

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace qload::bench {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

uint64_t count_of(long value) { return value > 0 ? static_cast<uint64_t>(value) : 0; }

// "read_bytes: 1234" of the process's I/O accounting (proc(5)).
uint64_t storage_read_bytes() {
  constexpr std::string_view kKey = "read_bytes: ";
  std::ifstream io("/proc/self/io");
  for (std::string line; std::getline(io, line);) {
    if (!line.starts_with(kKey)) continue;
    uint64_t bytes = 0;
    const char* end = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + kKey.size(), end, bytes);
    return parsed.ec == std::errc() && parsed.ptr == end ? bytes : 0;
  }
  return 0;
}

}  // namespace

ProcessUsage usage_now() {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return {};
  return {.user_seconds = seconds_of(usage.ru_utime),
          .system_seconds = seconds_of(usage.ru_stime),
          .minor_faults = count_of(usage.ru_minflt),
          .major_faults = count_of(usage.ru_majflt),
          .voluntary_switches = count_of(usage.ru_nvcsw),
          .involuntary_switches = count_of(usage.ru_nivcsw),
          .storage_read_bytes = storage_read_bytes()};
}

ProcessUsage usage_between(const ProcessUsage& before, const ProcessUsage& after) {
  return {.user_seconds = after.user_seconds - before.user_seconds,
          .system_seconds = after.system_seconds - before.system_seconds,
          .minor_faults = after.minor_faults - before.minor_faults,
          .major_faults = after.major_faults - before.major_faults,
          .voluntary_switches = after.voluntary_switches - before.voluntary_switches,
          .involuntary_switches = after.involuntary_switches - before.involuntary_switches,
          .storage_read_bytes = after.storage_read_bytes - before.storage_read_bytes};
}

}  // namespace qload::bench
