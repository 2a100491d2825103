// What the rest of the program may know of lane_huffman's kernels.
#include <cstdlib>

#include "format/base/format_text.h"
#include "format/chunk/chunk.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload {

std::string_view decode_kernel_name() { return chosen_lane_kernel().name; }

Status check_decode_kernel() {
  const char* value = std::getenv("QLOAD_KERNEL");
  const std::string_view wanted = value == nullptr ? "" : value;
  if (wanted.empty() || wanted == "auto" || find_lane_kernel(wanted) != nullptr) return Ok{};
  std::string usable;
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    usable += std::string(kernel->name) + ", ";
  }
  return Error(ErrorCode::kInvalidArgument,
               text("environment variable QLOAD_KERNEL is ", quote(wanted),
                    ", expected one that runs on this processor: ", usable, "or auto"));
}

}  // namespace qload
