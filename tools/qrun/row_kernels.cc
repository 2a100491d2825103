#include "tools/qrun/row_kernels.h"

#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace qload::qrun {
namespace {

#if defined(__x86_64__)
// Clang 14 does not know "f16c" as a name for __builtin_cpu_supports. AVX2 stands for the system's
// part: that it saves the wide registers.
bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0;
}
#endif

}  // namespace

std::span<const RowKernels* const> usable_row_kernels() {
  static const std::vector<const RowKernels*> usable = [] {
    std::vector<const RowKernels*> found{&kRowScalar};
#if defined(__x86_64__)
    if (has_avx2()) found.push_back(&kRowAvx2);
    if (has_avx512()) found.push_back(&kRowAvx512);
#elif defined(__aarch64__)
    found.push_back(&kRowNeon);  // Every aarch64 processor has it.
#endif
    return found;
  }();
  return usable;
}

const RowKernels& fastest_row_kernels() { return *usable_row_kernels().back(); }

RowProduct find_row_product(const RowKernels& kernels, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return kernels.f32;
    case DType::kF16:
      return kernels.f16;
    case DType::kBF16:
      return kernels.bf16;
    case DType::kI8:
      return kernels.i8;
    case DType::kQ8_0:
      return kernels.q8_0;
    case DType::kQ4_0:
      return kernels.q4_0;
    default:
      return nullptr;
  }
}

}  // namespace qload::qrun
