// FilteredChunk: a chunk with a filter on its way to one destination, strip by strip.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "format/chunk/chunk.h"
#include "format/chunk/decode_state.h"
#include "format/filter/filter.h"
#include "qload/result.h"

namespace qload {

/// Merges what codecs decode while it is in the L1 cache, and writes the destination once. Front to
/// back, once. Uses the state's decoders and scratch memory: one chunk at a time for each state.
class FilteredChunk {
 public:
  /// `state` and `form` outlive it. REQUIRES: check_chunk_form(form).ok(), and `filter` is its own.
  FilteredChunk(DecodeContext::State& state, const ChunkForm& form, const Filter& filter);

  /// Makes the decoders and takes the memory that the chunk needs: open() then allocates nothing.
  void reserve();
  /// Codecs that do not decode in strips decode now. `stored` stays valid to the end.
  Status open(std::span<const std::byte> stored);
  /// The next decoded bytes of the chunk: whole steps, or all that is left. The last of them ends
  /// every stream, and says so when one does not end there.
  Status next(std::span<std::byte> decoded);
  /// Whole steps are multiples of this.
  size_t step_bytes() const { return kStripStep * filter_.block_bytes; }

 private:
  /// One stream on its way into the filter: bytes that lie somewhere whole, or a decoder that makes
  /// the next strip.
  struct StreamSource {
    Result<std::span<const std::byte>> take(size_t bytes);

    std::span<const std::byte> whole;
    Decoder* decoder = nullptr;
    std::span<std::byte> strip;
  };

  size_t left_over() const { return form_.decoded_bytes % filter_.block_bytes; }
  size_t strip_stream_bytes(uint32_t stream, size_t block_count, bool last) const;
  size_t room_of(uint32_t stream) const;
  size_t merged_bytes() const;
  size_t scratch_bytes() const;
  Status open_stream(uint32_t number, std::span<const std::byte> stored,
                     std::span<std::byte>& scratch);
  void fetch_beside_decoding();
  Status merge(size_t block_count, bool last, std::span<std::byte> decoded);
  Status finish();

  DecodeContext::State& state_;
  const ChunkForm& form_;
  const Filter& filter_;
  size_t strip_blocks_;
  size_t bytes_left_;
  std::span<std::byte> merged_;  ///< A merged strip on its way around the cache; else empty.
  std::array<StreamSource, kStreamCountMax> sources_;
};

}  // namespace qload
