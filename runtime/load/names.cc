// Names of the loader's enumerators, as reports and the command line spell them.
#include "format/chunk/chunk.h"
#include "qload/options.h"

namespace qload {

const char* io_backend_name(IoBackend backend) {
  switch (backend) {
    case IoBackend::kAuto:
      return "auto";
    case IoBackend::kUring:
      return "uring";
    case IoBackend::kPread:
      return "pread";
  }
  return "unknown";
}

const char* load_stage_name(LoadStage stage) {
  switch (stage) {
    case LoadStage::kNone:
      return "none";
    case LoadStage::kStorage:
      return "storage";
    case LoadStage::kDecode:
      return "decode";
    case LoadStage::kPageCache:
      return "page cache";
    case LoadStage::kDestination:
      return "destination";
  }
  return "unknown";
}

const char* decode_kernel() { return decode_kernel_name().data(); }  // Names are literals.

}  // namespace qload
