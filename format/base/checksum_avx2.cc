// Compiled with -mavx2, from which xxhash.h takes its vector width.
#include "format/base/checksum_kernels.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace qload {

uint64_t xxh3_avx2(const void* data, size_t bytes) { return XXH3_64bits(data, bytes); }

}  // namespace qload
