// Where a tensor is cut into chunks. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "qload/tensor.h"

namespace qload {

/// A run of bytes cut into chunks of equal size; only the last may differ.
struct ChunkCut {
  uint64_t bytes = 0;        ///< Of the whole run.
  uint64_t chunk_bytes = 0;  ///< Of every chunk but the last.
  uint64_t chunk_count = 0;  ///< 0 only for an empty run.

  /// REQUIRES: chunk < chunk_count.
  uint64_t offset_of(uint64_t chunk) const { return chunk * chunk_bytes; }
  /// REQUIRES: chunk < chunk_count.
  uint64_t bytes_of(uint64_t chunk) const {
    return chunk + 1 == chunk_count ? bytes - offset_of(chunk) : chunk_bytes;
  }
};

/// Cuts a tensor into chunks of about `target_bytes`: between a quarter of it and twice it, and at
/// most kChunkBytesMax. Chunks hold whole rows (innermost dimension) where a row fits, else equal
/// parts of one row where it has such parts: then no chunk must be decoded twice to read a tensor
/// by ranges of rows. They hold whole blocks of elements always, and are a multiple of 4096 bytes
/// where the rows permit one, so that chunks stored raw stay congruent with the pages they are read
/// to. REQUIRES: target_bytes in [4, kChunkBytesMax].
ChunkCut cut_tensor(DType dtype, std::span<const uint64_t> shape, uint64_t bytes,
                    uint64_t target_bytes);

/// The same for bytes without structure.
ChunkCut cut_bytes(uint64_t bytes, uint64_t target_bytes);

}  // namespace qload
