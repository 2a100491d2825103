#include "runtime/plan/packed_plan.h"

#include <algorithm>
#include <numeric>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {
namespace {

/// What one chunk may lie behind the one before it. This project's writer needs less: an extent
/// ends on the alignment, and a raw chunk in the next one is moved to agree with its place in the
/// tensor (docs/format.md, "Placement"). The index bounds no gap, and memory must not follow a
/// sparse file.
uint64_t padding_max(const TensorRecord& tensor, uint64_t alignment) {
  return tensor.chunk_count * 2 * alignment;  // At most 2^26 chunks and an alignment of 2^16.
}

/// Of a tensor's chunks, from the first to the last, in the container.
struct StoredRun {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t bytes() const { return end - begin; }
};

// Chunks stand in file order and do not overlap: the index is proven.
Result<StoredRun> run_of(const Index& index, const TensorRecord& tensor, uint64_t alignment) {
  const std::span<const ChunkRecord> chunks = index.chunks_of(tensor);
  const ChunkRecord& last = chunks.back();
  const StoredRun run = {chunks.front().offset, last.offset + last.stored_bytes};
  if (run.bytes() - tensor.stored_bytes <= padding_max(tensor, alignment)) return run;
  return Error(ErrorCode::kUnsupported,
               text("tensor ", quote(index.name(tensor)), ": its ", tensor.stored_bytes,
                    " stored bytes lie scattered over ", run.bytes(), " bytes of the container; ",
                    "to be kept packed, ", tensor.chunk_count, " chunks may have at most ",
                    padding_max(tensor, alignment), " bytes of padding"));
}

}  // namespace

// Example with alignment 4096: runs at [5000, 9000), [12288, 20000) and, after 1 MiB of tensors
// that are not wanted, [1080000, 1090000) lie in the block at 904, 8192 and 15904 + 3232 = 19136.
Result<PackedLayout> lay_out_packed(const Index& index, std::span<const uint32_t> tensors,
                                    uint64_t alignment) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(
      order, {}, [&](uint32_t position) { return index.tensors()[tensors[position]].first_chunk; });
  PackedLayout layout;
  layout.offsets.resize(tensors.size());
  StoredRun before;
  for (const uint32_t position : order) {
    const TensorRecord& tensor = index.tensors()[tensors[position]];
    if (tensor.chunk_count == 0) continue;
    QLOAD_TRY(const StoredRun run, run_of(index, tensor, alignment));
    if (run.begin == before.begin) {
      layout.offsets[position] = layout.block_bytes - run.bytes();
      continue;
    }
    const uint64_t gap = run.begin - before.end;
    const bool near = before.end != 0 && gap <= 2 * alignment;
    const uint64_t place = layout.block_bytes + (near ? gap : gap % alignment);
    layout.offsets[position] = place;
    layout.block_bytes = place + run.bytes();  // Never past the run's end in the container.
    layout.stored_bytes += tensor.stored_bytes;
    before = run;
  }
  return layout;
}

ReadPlan make_decode_plan(const Index& index, std::span<const PlanTensor> tensors) {
  ReadPlan plan;
  for (const PlanTensor& wanted : tensors) {
    const std::span<const ChunkRecord> chunks = wanted_chunks(index, wanted);
    for (const ChunkRecord& chunk : chunks) {
      const auto number = static_cast<uint64_t>(&chunk - index.chunks().data());
      const uint64_t distance = chunk.decoded_offset - chunks[0].decoded_offset;
      plan.chunks.push_back({number, wanted.data + distance, wanted.tensor, 0});
      plan.decoded_bytes += chunk.decoded_bytes;
      plan.stored_bytes += chunk.stored_bytes;
    }
  }
  std::ranges::stable_sort(plan.chunks, {}, &PlanChunk::chunk);
  return plan;
}

}  // namespace qload
