#include "format/pack/cut_chunks.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "format/base/limits.h"

namespace qload {
namespace {

// The page that O_DIRECT and destinations agree on: the smallest alignment of a container.
constexpr uint64_t kPageBytes = kAlignmentMin;
// A remainder below this share of the target joins the chunk before it: a chunk so small costs
// more in bookkeeping than it brings in parallel work.
constexpr uint64_t kRemainderShare = 8;
// Bounds the search for equal parts of a row. All that the bounds allow of one of 64 GiB, at 1 MiB.
constexpr uint64_t kPartsTried = 1u << 18;

struct Bounds {
  uint64_t bytes_min;
  uint64_t target_bytes;
  uint64_t bytes_max;
};

Bounds bounds_around(uint64_t target_bytes) {
  return {target_bytes / 4, target_bytes, std::min(2 * target_bytes, kChunkBytesMax)};
}

/// The multiple of `unit` nearest to the target and within the bounds; nothing when none is.
std::optional<uint64_t> nearest_multiple(uint64_t unit, const Bounds& bounds) {
  uint64_t below = bounds.target_bytes / unit * unit;
  uint64_t above = below + unit;
  bool below_fits = below > 0 && below >= bounds.bytes_min;
  bool above_fits = above <= bounds.bytes_max;
  if (below_fits && above_fits) {
    return bounds.target_bytes - below <= above - bounds.target_bytes ? below : above;
  }
  if (below_fits) return below;
  if (above_fits) return above;
  return std::nullopt;
}

/// Chunk size for a run made of units: a multiple of the page too when the bounds hold one.
std::optional<uint64_t> chunk_bytes_for(uint64_t unit, const Bounds& bounds) {
  if (unit > bounds.bytes_max) return std::nullopt;
  if (auto paged = nearest_multiple(std::lcm(unit, kPageBytes), bounds)) return paged;
  return nearest_multiple(unit, bounds);
}

/// The equal part of a row above the bounds that is nearest to the target: whole units, and whole
/// pages where some part has them. Every row then begins a chunk, and no chunk of one row must be
/// decoded to read another. Nothing when the row has no such part.
std::optional<uint64_t> part_of_row(uint64_t row_bytes, uint64_t unit, const Bounds& bounds) {
  std::optional<uint64_t> best;
  bool best_paged = false;
  const auto distance = [&](uint64_t part) {
    return part > bounds.target_bytes ? part - bounds.target_bytes : bounds.target_bytes - part;
  };
  const uint64_t count_min = (row_bytes + bounds.bytes_max - 1) / bounds.bytes_max;
  const uint64_t count_max = std::min(row_bytes / bounds.bytes_min, count_min + kPartsTried);
  for (uint64_t count = count_min; count <= count_max; ++count) {
    const uint64_t part = row_bytes / count;
    if (row_bytes % count != 0 || part % unit != 0) continue;
    const bool paged = part % kPageBytes == 0;
    if (best &&
        (best_paged > paged || (best_paged == paged && distance(*best) <= distance(part)))) {
      continue;
    }
    best = part;
    best_paged = paged;
  }
  return best;
}

ChunkCut cut_at(uint64_t bytes, uint64_t chunk_bytes, const Bounds& bounds) {
  ChunkCut cut{bytes, std::min(chunk_bytes, bytes), 0};
  if (bytes == 0) return cut;
  cut.chunk_count = bytes / cut.chunk_bytes;
  uint64_t remainder = bytes % cut.chunk_bytes;
  bool joins = remainder < bounds.target_bytes / kRemainderShare &&
               cut.chunk_bytes + remainder <= bounds.bytes_max;
  if (remainder > 0 && !joins) cut.chunk_count += 1;
  return cut;
}

/// Bytes of one row, or nothing when the shape does not tell (a scalar, an empty dimension, or
/// rows that are not whole blocks).
std::optional<uint64_t> row_bytes(const DTypeInfo& info, std::span<const uint64_t> shape,
                                  uint64_t bytes) {
  if (shape.empty() || shape.back() == 0 || shape.back() % info.block_elements != 0) {
    return std::nullopt;
  }
  auto row = checked_multiply(shape.back() / info.block_elements, info.block_bytes);
  if (!row || bytes % *row != 0) return std::nullopt;
  return row;
}

}  // namespace

ChunkCut cut_tensor(DType dtype, std::span<const uint64_t> shape, uint64_t bytes,
                    uint64_t target_bytes) {
  QLOAD_ASSERT(target_bytes >= 4 && target_bytes <= kChunkBytesMax);
  Bounds bounds = bounds_around(target_bytes);
  const DTypeInfo* info = find_dtype(dtype);
  if (info != nullptr) {
    if (auto row = row_bytes(*info, shape, bytes)) {
      if (auto chunk = chunk_bytes_for(*row, bounds)) return cut_at(bytes, *chunk, bounds);
      if (bytes > *row) {
        if (auto part = part_of_row(*row, info->block_bytes, bounds)) {
          return cut_at(bytes, *part, bounds);
        }
      }
    }
    if (bytes % info->block_bytes == 0) {
      if (auto chunk = chunk_bytes_for(info->block_bytes, bounds)) {
        return cut_at(bytes, *chunk, bounds);
      }
    }
  }
  return cut_bytes(bytes, target_bytes);
}

ChunkCut cut_bytes(uint64_t bytes, uint64_t target_bytes) {
  QLOAD_ASSERT(target_bytes >= 4 && target_bytes <= kChunkBytesMax);
  Bounds bounds = bounds_around(target_bytes);
  return cut_at(bytes, chunk_bytes_for(1, bounds).value_or(target_bytes), bounds);
}

}  // namespace qload
