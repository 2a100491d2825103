// XXH3 compiled for vectors of several widths. checksum.cc chooses.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qload {

uint64_t xxh3_baseline(const void* data, size_t bytes);
// REQUIRES: the processor has AVX2, or AVX-512 (F). Raw pointers: a file that is compiled for a
// wider processor must not instantiate inline functions that others share.
uint64_t xxh3_avx2(const void* data, size_t bytes);
uint64_t xxh3_avx512(const void* data, size_t bytes);

}  // namespace qload
