#include "format/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace qload {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "qload: %s:%d: assertion failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace qload
