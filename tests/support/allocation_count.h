// Counts allocations of the program that links allocation_count.cc.
#pragma once

#include <cstdint>

namespace qload::test {

/// Calls of operator new so far, by all threads.
uint64_t allocation_count();

}  // namespace qload::test
