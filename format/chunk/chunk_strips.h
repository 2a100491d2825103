// ChunkStrips: decodes a chunk in pieces of any size, for those who never want it whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "format/chunk/chunk.h"
#include "qload/result.h"

namespace qload {

/// Decodes one chunk at a time, front to back; the same bytes as decode_chunk. Pieces may have any
/// size: what a decoder makes beyond the end of one waits for the next. Pieces of whole steps
/// (kStripStep blocks of the chunk's filter; bytes without one) are written straight to their
/// destination. Codecs that do not decode in strips decode the whole chunk when it is opened, into
/// memory of this object. One thread at a time; move-only.
class ChunkStrips {
 public:
  /// `kernel` is lane_huffman's, for tests and benchmarks; null: the chosen one.
  explicit ChunkStrips(const LaneKernel* kernel = nullptr);
  ~ChunkStrips();
  ChunkStrips(ChunkStrips&&) noexcept;
  ChunkStrips& operator=(ChunkStrips&&) noexcept;

  /// Makes the decoders and takes the memory that a chunk of that form needs. Decoders still make
  /// tables of their own (tens of KiB) at their first chunk; after that, chunks of reserved forms
  /// allocate nothing, but for lane_huffman's escaped bytes where those alone exceed 64 KiB.
  /// REQUIRES: no chunk is open, check_chunk_form(form).ok().
  void reserve(const ChunkForm& form);

  /// Begins a chunk, whatever came before. `stored` stays valid until its last byte is decoded.
  /// kCorrupt when the bytes contradict the form; next() and skip() may find that later, and what
  /// came before is then void and the chunk is closed.
  /// REQUIRES: check_chunk_form(form).ok(), stored.size() == form.stored_bytes.
  Status open(const ChunkForm& form, std::span<const std::byte> stored);

  /// Gives up what is left of the open chunk, if one is open.
  void close();

  /// Of the open chunk, what next() has not given yet; 0 when none is open.
  uint64_t bytes_left() const;
  /// The next bytes that lie decoded in memory already, maybe none: all of a chunk stored raw,
  /// where it is stored; all of one whose codec does not decode in strips and that has no filter.
  /// Valid until next() or open(); skip() by their size only moves on.
  std::span<const std::byte> ready() const;
  /// The next decoded.size() bytes. REQUIRES: at most bytes_left().
  Status next(std::span<std::byte> decoded);
  /// Drops the next `bytes` bytes. REQUIRES: at most bytes_left().
  Status skip(uint64_t bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qload
