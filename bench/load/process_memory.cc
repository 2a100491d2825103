#include "bench/load/process_memory.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

namespace qload::bench {
namespace {

// "VmHWM:   1234 kB".
uint64_t status_bytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::strtoull(line.c_str() + key.size(), nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace

uint64_t resident_bytes() { return status_bytes("VmRSS:"); }
uint64_t resident_peak_bytes() { return status_bytes("VmHWM:"); }

// proc(5), clear_refs: 5 resets the peak.
void reset_resident_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace qload::bench
