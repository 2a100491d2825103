// What the loader learns from its surroundings: environment variables, processors.
#include <sched.h>

#include <cstdlib>
#include <string_view>

#include "format/base/format_text.h"
#include "format/chunk/chunk.h"
#include "runtime/load/loader_state.h"

namespace qload::internal {

Status apply_environment(LoaderOptions& options) {
  if (const char* value = std::getenv("QLOAD_IO")) {
    const std::string_view io(value);
    if (io == "uring") {
      options.io_backend = IoBackend::kUring;
    } else if (io == "pread") {
      options.io_backend = IoBackend::kPread;
    } else if (!io.empty() && io != "auto") {
      return Error(ErrorCode::kInvalidArgument, text("environment variable QLOAD_IO is ", quote(io),
                                                     ", expected uring, pread or auto"));
    }
  }
  if (const char* value = std::getenv("QLOAD_DIRECT")) {
    const std::string_view direct(value);
    if (direct == "0") {
      options.direct_io = DirectIo::kDisabled;
    } else if (direct == "1") {
      options.direct_io = DirectIo::kRequired;
    } else if (!direct.empty()) {
      return Error(ErrorCode::kInvalidArgument, text("environment variable QLOAD_DIRECT is ",
                                                     quote(direct), ", expected 0 or 1"));
    }
  }
  return check_decode_kernel();
}

uint32_t usable_processors() {
  // 1024 processors fit a fixed cpu_set_t; on larger machines the call fails and one is assumed.
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  const int count = CPU_COUNT(&mask);
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

}  // namespace qload::internal
