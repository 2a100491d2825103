// Which kernels this processor can run, and which one serves.
#include "format/codec/lane_huffman/lane_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace qload {
namespace {

struct Built {
  const LaneKernel* kernel;
  bool (*usable)();  ///< This processor, and this system, have the instructions.
};

// Slowest first. __builtin_cpu_supports also asks whether the system saves the wide registers.
constexpr Built kBuilt[] = {
    {&kLaneScalar, [] { return true; }},
#if defined(__x86_64__)
    {&kLaneSse,
     [] {
       return __builtin_cpu_supports("ssse3") != 0 && __builtin_cpu_supports("sse4.1") != 0 &&
              __builtin_cpu_supports("popcnt") != 0;
     }},
    {&kLaneAvx2,
     [] {
       return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0 &&
              __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_supports("popcnt") != 0;
     }},
    {&kLaneAvx512,
     [] {
       return __builtin_cpu_supports("avx512vbmi") != 0 &&
              __builtin_cpu_supports("avx512vbmi2") != 0 &&
              __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
              __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("bmi2") != 0;
     }},
#elif defined(__aarch64__)
    {&kLaneNeon, [] { return true; }},  // Every aarch64 processor has it.
#endif
};

}  // namespace

std::span<const LaneKernel* const> usable_lane_kernels() {
  static const std::vector<const LaneKernel*> usable = [] {
    std::vector<const LaneKernel*> found;
    for (const Built& built : kBuilt) {
      if (built.usable()) found.push_back(built.kernel);
    }
    return found;
  }();
  return usable;
}

const LaneKernel* find_lane_kernel(std::string_view name) {
  const auto usable = usable_lane_kernels();
  const auto found = std::ranges::find(usable, name, &LaneKernel::name);
  return found == usable.end() ? nullptr : *found;
}

const LaneKernel& chosen_lane_kernel() {
  static const LaneKernel& chosen = [&]() -> const LaneKernel& {
    const char* wanted = std::getenv("QLOAD_KERNEL");
    const LaneKernel* named = wanted == nullptr ? nullptr : find_lane_kernel(wanted);
    return named != nullptr ? *named : *usable_lane_kernels().back();
  }();
  return chosen;
}

}  // namespace qload
