#include <algorithm>
#include <numeric>

#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/container/index_check.h"

namespace qload {
namespace {

template <class... Pieces>
Error chunk_error(uint64_t number, const ChunkRecord& chunk, const Pieces&... pieces) {
  return corrupt("chunk ", number, " at offset ", chunk.offset, ": ", pieces...);
}

Status check_chunk_sizes(uint64_t number, const ChunkRecord& chunk) {
  if (chunk.reserved != 0 || chunk.reserved2 != 0) {
    return chunk_error(number, chunk, "reserved field is not zero");
  }
  if (chunk.decoded_bytes == 0 || chunk.decoded_bytes > kChunkBytesMax) {
    return chunk_error(number, chunk, "decoded bytes ", chunk.decoded_bytes, ", expected 1 to ",
                       kChunkBytesMax);
  }
  if (chunk.stored_bytes == 0 || chunk.stored_bytes > chunk.decoded_bytes) {
    return chunk_error(number, chunk, "stored bytes ", chunk.stored_bytes, ", expected 1 to ",
                       chunk.decoded_bytes);
  }
  if (chunk.stream_count == 0 || chunk.stream_count > kStreamCountMax) {
    return chunk_error(number, chunk, "stream count ", chunk.stream_count, ", expected 1 to ",
                       kStreamCountMax);
  }
  return Ok{};
}

/// Streams of all chunks, in their order, fill the stream table; each chunk's form is sound.
Status check_forms(const IndexTables& tables) {
  uint64_t next = 0;
  for (uint64_t i = 0; i < tables.chunks.size(); ++i) {
    const ChunkRecord& chunk = tables.chunks[i];
    QLOAD_CHECK(check_chunk_sizes(i, chunk));
    if (chunk.first_stream != next) {
      return chunk_error(i, chunk, "first stream ", chunk.first_stream, ", expected ", next);
    }
    if (!range_fits(next, chunk.stream_count, tables.streams.size())) {
      return chunk_error(i, chunk, "streams end at ", next + chunk.stream_count, ", there are ",
                         tables.streams.size());
    }
    for (const StreamRecord& stream : tables.streams.subspan(next, chunk.stream_count)) {
      if (std::ranges::any_of(stream.reserved, [](uint8_t byte) { return byte != 0; })) {
        return chunk_error(i, chunk, "a stream's reserved field is not zero");
      }
    }
    if (Status form = check_chunk_form(tables.form(chunk)); !form.ok()) {
      return form.error().at(text("chunk ", i, " at offset ", chunk.offset));
    }
    next += chunk.stream_count;
  }
  if (next != tables.streams.size()) {
    return corrupt("streams section: ", tables.streams.size(), " streams, its chunks have ", next);
  }
  return Ok{};
}

/// Chunks of an extent lie in it, in file order, without overlap.
Status check_chunks_in_extent(const IndexTables& tables, const ExtentRecord& extent) {
  uint64_t position = extent.offset;
  uint64_t end = extent.offset + extent.bytes;
  for (uint64_t i = extent.first_chunk; i < extent.first_chunk + extent.chunk_count; ++i) {
    const ChunkRecord& chunk = tables.chunks[i];
    if (chunk.offset < position || !range_fits(chunk.offset, chunk.stored_bytes, end)) {
      return chunk_error(i, chunk, chunk.stored_bytes, " stored bytes, outside the free part [",
                         position, ", ", end, ") of its extent");
    }
    position = chunk.offset + chunk.stored_bytes;
  }
  return Ok{};
}

/// Extents stand on the alignment, in file order, apart, between superblock and index, and share
/// out the chunk table.
Status check_extents(const IndexTables& tables, const Superblock& superblock) {
  uint64_t next_chunk = 0;
  uint64_t next_offset = kSuperblockBytes;
  for (uint64_t i = 0; i < tables.extents.size(); ++i) {
    const ExtentRecord& extent = tables.extents[i];
    if (extent.offset % superblock.alignment != 0 || extent.bytes % superblock.alignment != 0) {
      return corrupt("extent ", i, ": offset ", extent.offset, ", bytes ", extent.bytes,
                     ", expected multiples of ", superblock.alignment);
    }
    if (extent.offset < next_offset ||
        !range_fits(extent.offset, extent.bytes, superblock.index_offset)) {
      return corrupt("extent ", i, ": ", extent.bytes, " bytes at offset ", extent.offset,
                     ", outside the free part [", next_offset, ", ", superblock.index_offset,
                     ") of the container");
    }
    if (extent.first_chunk != next_chunk) {
      return corrupt("extent ", i, ": first chunk ", extent.first_chunk, ", expected ", next_chunk);
    }
    if (extent.chunk_count == 0 ||
        !range_fits(next_chunk, extent.chunk_count, tables.chunks.size())) {
      return corrupt("extent ", i, ": chunk count ", extent.chunk_count, ", expected 1 to ",
                     tables.chunks.size() - next_chunk);
    }
    QLOAD_CHECK(check_chunks_in_extent(tables, extent));
    next_chunk += extent.chunk_count;
    next_offset = extent.offset + extent.bytes;
  }
  if (next_chunk != tables.chunks.size()) {
    return corrupt("extents hold ", next_chunk, " chunks, there are ", tables.chunks.size());
  }
  return Ok{};
}

/// A tensor's chunk run, or that of a file's kept bytes.
struct Run {
  uint64_t first;
  uint64_t count;
  uint64_t bytes;
  const DigestRecord* digest;
  const TensorRecord* tensor;  // Null: kept bytes.
  const FileRecord* file;      // Null: a tensor.
};

/// Owners are numbered: tensors first, then files.
Run run_of(const IndexTables& tables, uint64_t owner) {
  if (owner < tables.tensors.size()) {
    const TensorRecord& tensor = tables.tensors[owner];
    return {tensor.first_chunk, tensor.chunk_count, tensor.bytes, &tensor.digest, &tensor, nullptr};
  }
  const FileRecord& file = tables.files[owner - tables.tensors.size()];
  return {file.first_chunk, file.chunk_count, file.kept_bytes, &file.kept_digest, nullptr, &file};
}

template <class... Pieces>
Error run_error(const IndexTables& tables, const Run& run, const Pieces&... pieces) {
  if (run.tensor != nullptr) {
    return corrupt("tensor ", quote(tables.name(*run.tensor)), ": ", pieces...);
  }
  return corrupt("kept bytes of file ", quote(tables.path(*run.file)), ": ", pieces...);
}

struct RunSums {
  uint64_t decoded = 0;
  uint64_t stored = 0;
};

/// Decoded offsets count up from 0. Sums cannot overflow: at most 2^26 chunks of 2^24 bytes.
Result<RunSums> check_run_chunks(const IndexTables& tables, const Run& run) {
  RunSums sums;
  for (uint64_t i = run.first; i < run.first + run.count; ++i) {
    const ChunkRecord& chunk = tables.chunks[i];
    if (chunk.decoded_offset != sums.decoded) {
      return run_error(tables, run, "chunk ", i, " at offset ", chunk.offset, ": decoded offset ",
                       chunk.decoded_offset, ", expected ", sums.decoded);
    }
    sums.decoded += chunk.decoded_bytes;
    sums.stored += chunk.stored_bytes;
  }
  return sums;
}

Status check_run_sums(const IndexTables& tables, const Run& run, const RunSums& sums) {
  if (sums.decoded != run.bytes) {
    return run_error(tables, run, "its chunks decode to ", sums.decoded, " bytes, expected ",
                     run.bytes);
  }
  if (run.tensor != nullptr && run.tensor->stored_bytes != sums.stored) {
    return run_error(tables, run, run.tensor->stored_bytes, " stored bytes, its chunks have ",
                     sums.stored);
  }
  return Ok{};
}

/// Two owners of one run hold the same bytes.
Status check_shared_run(const IndexTables& tables, const Run& run, const Run& before) {
  if (run.count != before.count) {
    return run_error(tables, run, "chunk run ", run.first, " + ", run.count,
                     " overlaps another: ", before.first, " + ", before.count);
  }
  bool same = run.digest->algorithm == before.digest->algorithm &&
              std::ranges::equal(run.digest->bytes, before.digest->bytes);
  if (!same) return run_error(tables, run, "shares its chunks with another of another digest");
  return Ok{};
}

/// Runs of different owners are identical or disjoint, and together cover every chunk. Each
/// distinct run is walked once, so that a million owners of one run cost no more than one.
Status check_runs(const IndexTables& tables) {
  std::vector<uint32_t> owners(tables.tensors.size() + tables.files.size());
  std::iota(owners.begin(), owners.end(), 0u);
  std::ranges::sort(owners, [&](uint32_t a, uint32_t b) {
    uint64_t left = run_of(tables, a).first;
    uint64_t right = run_of(tables, b).first;
    return left != right ? left < right : a < b;
  });
  uint64_t next = 0;
  Run before = {};
  RunSums sums;
  for (uint32_t owner : owners) {
    Run run = run_of(tables, owner);
    if (run.count == 0) {
      if (run.first != 0) {
        return run_error(tables, run, "first chunk ", run.first, " of none, expected 0");
      }
      QLOAD_CHECK(check_run_sums(tables, run, RunSums{}));
      continue;
    }
    if (before.count != 0 && run.first == before.first) {
      QLOAD_CHECK(check_shared_run(tables, run, before));
    } else {
      if (run.first != next || !range_fits(run.first, run.count, tables.chunks.size())) {
        return run_error(tables, run, "chunk run ", run.first, " + ", run.count,
                         ", expected one from ", next, " within ", tables.chunks.size(),
                         " chunks: runs neither overlap nor leave a chunk out");
      }
      QLOAD_TRY(sums, check_run_chunks(tables, run));
      next = run.first + run.count;
      before = run;
    }
    QLOAD_CHECK(check_run_sums(tables, run, sums));
  }
  if (next != tables.chunks.size()) {
    return corrupt("chunk ", next, " belongs to no tensor and no file");
  }
  return Ok{};
}

}  // namespace

Status check_chunks(const IndexTables& tables, const Superblock& superblock) {
  QLOAD_CHECK(check_forms(tables));
  QLOAD_CHECK(check_extents(tables, superblock));
  return check_runs(tables);
}

}  // namespace qload
