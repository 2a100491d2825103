// Assertions: for what only we can get wrong. Contents of a file never reach one.
#pragma once

namespace qload {

/// Prints the failed condition and aborts. Only called on a bug of this library.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace qload

/// Aborts when `condition` is false, in every build type.
#define QLOAD_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::qload::assertion_failed(#condition, __FILE__, __LINE__))
