#include "bench/codec/processor_pin.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

// The lowest processor of the same core; "0-1" and "0,32" start with it. Where the system does not
// say, a processor is a core of its own.
uint32_t first_sibling(uint32_t processor) {
  std::ifstream list(
      text("/sys/devices/system/cpu/cpu", processor, "/topology/thread_siblings_list"));
  uint32_t first = processor;
  return list >> first ? first : processor;
}

}  // namespace

std::vector<uint32_t> processors_by_core() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  std::vector<uint32_t> cores;
  std::vector<uint32_t> siblings;
  std::vector<uint32_t> seen;
  for (uint32_t number = 0; number < CPU_SETSIZE; ++number) {
    if (!CPU_ISSET(number, &set)) continue;
    const uint32_t core = first_sibling(number);
    const bool known = std::ranges::count(seen, core) > 0;
    (known ? siblings : cores).push_back(number);
    if (!known) seen.push_back(core);
  }
  cores.insert(cores.end(), siblings.begin(), siblings.end());
  return cores;
}

ProcessorPin::~ProcessorPin() {
  if (pinned_) sched_setaffinity(0, sizeof before_, &before_);
}

ProcessorPin::ProcessorPin(ProcessorPin&& other) noexcept
    : pinned_(std::exchange(other.pinned_, false)), before_(other.before_) {}

Result<ProcessorPin> ProcessorPin::create(uint32_t processor) {
  ProcessorPin pin;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  if (sched_getaffinity(0, sizeof pin.before_, &pin.before_) != 0 ||
      sched_setaffinity(0, sizeof only, &only) != 0) {
    return error_from_errno(text("cannot stay on processor ", processor), errno);
  }
  pin.pinned_ = true;
  return pin;
}

}  // namespace qload::bench
