// Loader::load_rows: of a tensor, the chunks that hold some rows.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "runtime/load/load_call.h"
#include "runtime/load/memory_budget.h"
#include "runtime/memory/host_block.h"

namespace qload {
namespace {

/// The chunks that hold bytes [begin, end) of a tensor. REQUIRES: begin < end, within the tensor.
ChunkRange chunks_between(std::span<const ChunkRecord> chunks, uint64_t begin, uint64_t end) {
  const auto behind = [&](uint64_t offset) {
    const auto after = std::ranges::upper_bound(chunks, offset, {}, &ChunkRecord::decoded_offset);
    return static_cast<uint64_t>(after - chunks.begin());
  };
  const uint64_t first = behind(begin) - 1;
  return {first, behind(end - 1) - first};
}

/// A chunk that the rows begin or end in, decoded beside them.
struct CutChunk {
  const ChunkRecord* chunk;
  HostBlock memory;
};

}  // namespace

Status Loader::load_rows(const Model& model, std::string_view tensor, uint64_t first,
                         uint64_t count, std::span<std::byte> out, const LoadOptions& options) {
  return internal::without_throwing([&]() -> Status {
    const auto begin = std::chrono::steady_clock::now();
    if (options.statistics != nullptr) *options.statistics = {};
    const internal::ModelState& state = model.state();
    const std::string_view names[] = {tensor};
    QLOAD_TRY(const auto numbers, internal::find_tensors(state, names));
    const TensorInfo& info = state.tensors[numbers[0]];
    if (!range_fits(first, count, row_count(info))) {
      return Error(ErrorCode::kInvalidArgument,
                   text(count, " rows from row ", first, " of tensor ", quote(tensor),
                        ", which has ", row_count(info)));
    }
    const uint64_t row = row_bytes(info);
    if (out.size() != count * row) {
      return Error(ErrorCode::kInvalidArgument, text("memory of ", out.size(), " bytes for ", count,
                                                     " rows of ", row, " bytes"));
    }
    if (out.empty()) return Ok{};
    QLOAD_CHECK(internal::check_budget_into(*state_, state, numbers));
    const Index& index = state.container.index;
    const auto all = index.chunks_of(index.tensors()[numbers[0]]);
    const ChunkRange range = chunks_between(all, first * row, (first + count) * row);
    const auto chunks = all.subspan(range.first, range.count);
    // Chunks that lie whole in the rows go straight to them; the first and the last may not.
    const uint64_t wanted_begin = first * row;
    const uint64_t wanted_end = wanted_begin + out.size();
    std::vector<internal::LoadTarget> targets;
    std::vector<CutChunk> cut;
    for (uint64_t i = 0; i < chunks.size(); ++i) {
      const ChunkRecord& chunk = chunks[i];
      const ChunkRange one{range.first + i, 1};
      if (chunk.decoded_offset >= wanted_begin &&
          chunk.decoded_offset + chunk.decoded_bytes <= wanted_end) {
        targets.push_back(
            {numbers[0], out.data() + (chunk.decoded_offset - wanted_begin), true, one});
        continue;
      }
      HostBlock memory =
          HostBlock::allocate(chunk.decoded_bytes, state.container.superblock.alignment);
      if (memory.data() == nullptr) {
        return Error(ErrorCode::kOutOfMemory, text("cannot get ", chunk.decoded_bytes,
                                                   " bytes for a chunk of tensor ", quote(tensor)));
      }
      targets.push_back({numbers[0], memory.data(), true, one});
      cut.push_back({&chunk, std::move(memory)});
    }
    QLOAD_CHECK(internal::run_load(*state_, state, targets, {}, options, begin));
    for (const CutChunk& one : cut) {
      const uint64_t from = std::max<uint64_t>(one.chunk->decoded_offset, wanted_begin);
      const uint64_t to =
          std::min<uint64_t>(one.chunk->decoded_offset + one.chunk->decoded_bytes, wanted_end);
      std::memcpy(out.data() + (from - wanted_begin),
                  one.memory.data() + (from - one.chunk->decoded_offset), to - from);
    }
    return Ok{};
  });
}

}  // namespace qload
