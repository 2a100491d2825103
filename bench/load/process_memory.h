// Resident memory of this process (proc(5), status).
#pragma once

#include <cstdint>

namespace qload::bench {

/// What is resident now; 0 where the system does not say.
uint64_t resident_bytes();

/// The most that was resident since the process began or reset_resident_peak().
uint64_t resident_peak_bytes();

/// Sets the peak back to what is resident now. Nothing where the system cannot.
void reset_resident_peak();

}  // namespace qload::bench
