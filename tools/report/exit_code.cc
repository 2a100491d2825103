#include "tools/report/exit_code.h"

namespace qload::tools {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kNotFound:
      return kExitNotFound;
    case ErrorCode::kCancelled:
      return kExitSignal + 2;
    case ErrorCode::kUnsupported:
      return kExitUnsupported;
    case ErrorCode::kCorrupt:
      return kExitCorrupt;
    case ErrorCode::kUntrusted:
      return kExitUntrusted;
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kBudgetTooSmall:
    case ErrorCode::kTimeout:
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
      return kExitFailed;
  }
  return kExitFailed;
}

const char* exit_code_help() {
  return "Exit codes:\n"
         "  0  done\n"
         "  1  the operation failed (input or output, memory, space)\n"
         "  2  wrong usage, or the output exists\n"
         "  3  the input is damaged, or differs from what was expected\n"
         "  4  the input needs something this build does not know or the system refuses\n"
         "  5  no such file or tensor\n"
         "  6  not the model that --digest demands\n"
         "  130, 143  stopped by SIGINT, SIGTERM";
}

}  // namespace qload::tools
