#include "runtime/load/tensor_layout.h"

#include <algorithm>

#include "format/base/checked.h"
#include "format/container/layout.h"

namespace qload::internal {

namespace {

constexpr uint64_t kTensorAlignment = 64;

}  // namespace

std::optional<TensorLayout> lay_out_tensors(const ModelState& model,
                                            std::span<const uint32_t> numbers, uint64_t begin) {
  const uint64_t alignment = model.container.superblock.alignment;
  TensorLayout layout;
  layout.offsets.reserve(numbers.size());
  layout.end = begin;
  for (const uint32_t number : numbers) {
    const uint64_t bytes = model.tensors[number].bytes;
    const auto start = checked_align_up(
        layout.end, bytes >= kInPlaceBytesMin ? alignment : std::min(alignment, kTensorAlignment));
    const auto end = start ? checked_add(*start, bytes) : std::nullopt;
    if (!end) return std::nullopt;
    layout.offsets.push_back(*start);
    layout.end = *end;
  }
  return layout;
}

}  // namespace qload::internal
