#include "bench/codec/timed_passes.h"

#include <ctime>

#include "bench/load/parallel.h"
#include "format/base/try.h"

namespace qload::bench {

double thread_cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Result<PassSample> time_passes(const std::function<Status()>& pass, double seconds_min) {
  QLOAD_CHECK(pass());
  PassSample sample;
  const double wall_start = now_seconds();
  const double cpu_start = thread_cpu_seconds();
  do {
    QLOAD_CHECK(pass());
    sample.passes += 1;
    sample.cpu_seconds = thread_cpu_seconds() - cpu_start;
  } while (sample.cpu_seconds < seconds_min);
  sample.wall_seconds = now_seconds() - wall_start;
  return sample;
}

}  // namespace qload::bench
