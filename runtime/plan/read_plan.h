// Which reads bring in which chunks, and where they land. Pure: no files, threads or clocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/container/index.h"

namespace qload {

/// Chunks of one tensor, counted from its first; `count` kAllChunks: to its last.
struct ChunkRange {
  static constexpr uint64_t kAllChunks = ~uint64_t{0};
  uint64_t first = 0;
  uint64_t count = kAllChunks;
};

/// A tensor, or some of its chunks, to load and the memory they go to: the first byte of the first
/// chunk to data[0]. REQUIRES: data holds their decoded bytes.
struct PlanTensor {
  uint32_t tensor = 0;  ///< Number in Index::tensors().
  std::byte* data = nullptr;
  bool direct_allowed = true;  ///< The kernel may read straight into `data`.
  ChunkRange chunks = {};
};

/// One chunk's part in a staged read: decode it from there once the read has finished. A raw
/// chunk is decoded by copying. Tensors that share a chunk each have their own PlanChunk.
struct PlanChunk {
  uint64_t chunk = 0;  ///< Number in Index::chunks().
  std::byte* destination = nullptr;
  uint32_t tensor = 0;       ///< Whose part it is; for messages.
  uint32_t read_offset = 0;  ///< Of its stored bytes in the read's data.
};

/// One read of the file. A staged read lands in staging memory, and its chunks are decoded and its
/// pieces copied from there. An in-place read lands in a destination; it has pieces and no chunks.
struct PlanRead {
  uint64_t offset = 0;            ///< In the container's outer file: base offset added, aligned.
  uint32_t bytes = 0;             ///< Aligned; may reach past the end of the file.
  uint32_t bytes_required = 0;    ///< Up to the last byte that is needed.
  std::byte* in_place = nullptr;  ///< Destination, aligned, or null: staged.
  uint32_t first_chunk = 0;       ///< Into ReadPlan::chunks.
  uint32_t chunk_count = 0;
  uint32_t first_piece = 0;  ///< Into ReadPlan::pieces.
  uint32_t piece_count = 0;
};

/// Bytes of a raw chunk that arrive by one read: to be copied from staging memory (staged), or
/// already where they belong (in place: destination is in_place + read_offset). The chunk is
/// complete when all its pieces are.
struct PlanPiece {
  uint32_t raw_chunk = 0;    ///< Into ReadPlan::raw_chunks.
  uint32_t read_offset = 0;  ///< In the read's data.
  uint32_t bytes = 0;        ///< At least 1.
  std::byte* destination = nullptr;
};

/// A raw chunk that arrives in pieces; checked in its destination once all have arrived.
struct PlanRawChunk {
  uint64_t chunk = 0;  ///< Number in Index::chunks().
  std::byte* destination = nullptr;
  uint32_t tensor = 0;
  uint32_t piece_count = 0;
};

/// What make_read_plan promises of it:
/// - Every chunk of every tensor is one PlanChunk or one PlanRawChunk, and together they write
///   every destination byte exactly once. The pieces of a raw chunk cover it without overlap.
/// - Reads are sorted by offset, and so are the chunks and pieces of a read. Read n + 1's chunks
///   and pieces follow those of read n.
/// - Offset and bytes of a read, and its destination when in place, are multiples of alignment.
struct ReadPlan {
  std::vector<PlanRead> reads;
  std::vector<PlanChunk> chunks;
  std::vector<PlanPiece> pieces;
  std::vector<PlanRawChunk> raw_chunks;
  uint64_t decoded_bytes = 0;     ///< Sum over the tensors.
  uint64_t stored_bytes = 0;      ///< Sum over their chunks, a shared one counted once.
  uint64_t read_bytes = 0;        ///< Sum over reads.
  uint64_t in_place_bytes = 0;    ///< Sum over in-place reads.
  uint32_t staged_bytes_max = 0;  ///< Largest staged read, a multiple of alignment; 0: none.
};

struct PlanOptions {
  uint64_t base_offset = 0;        ///< Of the container in its file.
  uint32_t read_bytes = 1u << 20;  ///< Largest read aimed at; one coded chunk may need more.
  uint32_t alignment = 4096;       ///< Of reads, a power of two; 1: buffered, anything goes.
  uint32_t gap_bytes = 64u << 10;  ///< Unneeded bytes worth reading to merge two reads.
  bool in_place = true;            ///< Raw chunks straight into destinations.
};

/// Plans the reads that bring in every chunk of `tensors`, in any order and any selection, once
/// for each tensor that has it.
///
/// Coded chunks are never cut: they share staged reads of up to read_bytes, and a larger one has
/// a read of its own. Raw chunks may be cut. In-place reads need the offset in the outer file and
/// the destination to agree modulo the alignment; the interior is read directly, an unaligned
/// head and tail come through staging. A raw chunk of several tensors is staged.
/// REQUIRES: no tensor's data overlaps another's.
ReadPlan make_read_plan(const Index& index, std::span<const PlanTensor> tensors,
                        const PlanOptions& options);

}  // namespace qload
