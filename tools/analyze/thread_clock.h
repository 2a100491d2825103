// What a thread has computed so far: other processes and threads do not count.
#pragma once

#include <time.h>

namespace qload::analyze {

/// Processor time of the calling thread, in seconds.
inline double thread_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace qload::analyze
