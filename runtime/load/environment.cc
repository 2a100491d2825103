// What the loader learns from environment variables.
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

}  // namespace qload::internal
