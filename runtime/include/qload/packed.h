// PackedWeights: tensors kept in memory as they are stored. RowCursor: their rows, decoded a few at
// a time, so that packed weights are never expanded whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "qload/loader.h"
#include "qload/model.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

namespace internal {
struct PackedState;
struct RowCursorState;
}  // namespace internal

/// Owns the stored bytes of tensors, made by Loader::load_packed. Independent of that Loader, which
/// may be destroyed first; its Model must outlive it. Move-only; a moved-from one may only be
/// destroyed or assigned. Any thread may read it.
class PackedWeights {
 public:
  ~PackedWeights();
  PackedWeights(PackedWeights&&) noexcept;
  PackedWeights& operator=(PackedWeights&&) noexcept;

  std::span<const TensorInfo* const> tensors() const;   ///< In load order.
  const TensorInfo* find(std::string_view name) const;  ///< Null when not kept.
  /// Memory that it holds: chunks as stored, those of equal tensors once, and the padding between.
  uint64_t stored_bytes() const;

  const internal::PackedState& state() const { return *state_; }  ///< For the Loader and cursors.

 private:
  friend class Loader;
  explicit PackedWeights(std::unique_ptr<internal::PackedState> state);
  std::unique_ptr<internal::PackedState> state_;
};

struct RowCursorOptions {
  /// Memory for decoded rows, at most 1 GiB; at least one row is always held. Rows are fetched
  /// fastest where they stay in the L2 cache until they are used.
  uint64_t buffer_bytes = 64u << 10;
};

/// Some rows of a tensor. Valid until the cursor's next call.
struct RowsView {
  uint64_t first_row = 0;
  uint64_t count = 0;  ///< 0: no row is left.
  /// count * row_bytes() bytes. They begin, and so does every row, on a multiple of the largest
  /// power of two that divides row_bytes(), 64 at most.
  std::span<const std::byte> data;
};

/// Reads a tensor's rows (see row_bytes in qload/tensor.h) front to back, or from any row on. What
/// follows on what came before is never decoded twice; a row in the middle of a chunk (1 MiB
/// decoded by default) is reached by decoding and dropping what stands before it in its chunk. Rows
/// of a chunk that is stored raw are shown where they lie.
///
/// Threads that share a tensor open a cursor each; they split its rows at chunk_start_row(), so
/// that no chunk is decoded by two of them. One thread at a time; the PackedWeights must outlive
/// it. Move-only; a moved-from one may only be destroyed or assigned. Open allocates its memory;
/// decoders take tables of their own, tens of KiB, at the first chunk of a kind. An engine needs
/// one cursor a thread, not one for each tensor: reopen() takes it to the next tensor, and its
/// memory stays in the processor's cache.
class RowCursor {
 public:
  /// At row 0. kNotFound when `weights` has no such tensor; kInvalidArgument, kOutOfMemory.
  static Result<RowCursor> open(const PackedWeights& weights, std::string_view tensor,
                                const RowCursorOptions& options = {});
  /// Goes on at row 0 of another tensor, of these weights or others, with the memory it has; it
  /// takes more only where a row is larger, or chunks are of a kind, than those it met before.
  /// Errors as of open(); the cursor then stays where it was, but for kOutOfMemory, after which
  /// only another reopen() helps.
  Status reopen(const PackedWeights& weights, std::string_view tensor);
  ~RowCursor();
  RowCursor(RowCursor&&) noexcept;
  RowCursor& operator=(RowCursor&&) noexcept;

  const TensorInfo& info() const;
  uint64_t rows() const;       ///< row_count(info()).
  uint64_t row_bytes() const;  ///< qload::row_bytes(info()).
  uint64_t next_row() const;   ///< That next_rows() begins with.

  /// The first row that begins in the chunk where `row` begins. Rows that fit in a chunk are packed
  /// so that it is the chunk's first byte, and longer ones where they divide; else the reader that
  /// starts there decodes and drops the end of the row before. rows() for a `row` at rows() or
  /// beyond.
  uint64_t chunk_start_row(uint64_t row) const;

  /// The next rows will be those from `row` on; rows() is the end. kInvalidArgument beyond it.
  Status seek(uint64_t row);
  /// The next rows, at least one unless none is left: up to `count_max`, and as many as the buffer
  /// holds. kCorrupt when a chunk contradicts its form, which checked stored bytes do not; the
  /// cursor then stays where it was. kInvalidArgument when count_max is 0.
  Result<RowsView> next_rows(uint64_t count_max);
  /// Decodes rows [first, first + count) to `out`, which has their exact size, and goes on behind
  /// them. Errors as above; `out` then holds unspecified bytes.
  Status decode_rows(uint64_t first, uint64_t count, std::span<std::byte> out);

 private:
  explicit RowCursor(std::unique_ptr<internal::RowCursorState> state);
  std::unique_ptr<internal::RowCursorState> state_;
};

}  // namespace qload
