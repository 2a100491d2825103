// Chunk decoding: strip by strip, so that what codecs decode is merged while it is in the L1 cache
// and the destination is written once.
#include <algorithm>
#include <array>
#include <memory>

#include "format/base/around_cache.h"
#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/chunk/chunk.h"
#include "format/chunk/scratch.h"
#include "format/codec/codec_factories.h"

namespace qload {

/// A decoder for each codec and stream met so far, and room for strips and planes of one chunk.
struct DecodeContext::State {
  /// Only a codec that decodes in strips has several streams open at once.
  Decoder& decoder(const Codec& codec, uint32_t stream) {
    auto& made = decoders[static_cast<size_t>(codec.id)][codec.in_strips ? stream : 0];
    if (made == nullptr) {
      made = codec.id == CodecId::kLaneHuffman && kernel != nullptr
                 ? make_lane_huffman_decoder(*kernel)
                 : codec.make_decoder();
    }
    return *made;
  }

  const LaneKernel* kernel = nullptr;
  bool around_cache = false;
  std::array<std::array<std::unique_ptr<Decoder>, kStreamCountMax>, kCodecIdCount> decoders;
  Scratch scratch;
};

DecodeContext::DecodeContext(const LaneKernel* kernel) : state_(std::make_unique<State>()) {
  state_->kernel = kernel;
}
DecodeContext::~DecodeContext() = default;
DecodeContext::DecodeContext(DecodeContext&&) noexcept = default;
DecodeContext& DecodeContext::operator=(DecodeContext&&) noexcept = default;
void DecodeContext::write_around_cache(bool around) {
  state_->around_cache = around && kHasStoresAroundCache;
}

namespace {

/// What a strip's widest stream has: it stays in the L1 cache beside the others.
constexpr size_t kStripBytes = 16u << 10;

const Codec& codec_of(const StreamForm& form) {
  const Codec* codec = find_codec(form.codec);
  QLOAD_ASSERT(codec != nullptr);
  return *codec;
}

/// One stream on its way into the filter: bytes that lie somewhere whole, or a decoder that makes
/// the next strip.
struct StreamSource {
  std::span<const std::byte> whole;
  Decoder* decoder = nullptr;
  std::span<std::byte> strip;

  Result<std::span<const std::byte>> take(size_t bytes) {
    if (decoder == nullptr) {
      const auto taken = whole.first(bytes);
      whole = whole.subspan(bytes);
      return taken;
    }
    QLOAD_CHECK(decoder->next(strip.first(bytes)));
    return std::span<const std::byte>(strip.first(bytes));
  }
};

class FilteredChunk {
 public:
  FilteredChunk(DecodeContext::State& state, const ChunkForm& form, const Filter& filter)
      : state_(state), form_(form), filter_(filter) {
    const size_t widest = *std::ranges::max_element(filter.field_bytes);
    strip_blocks_ = std::max(kStripBytes / widest / kStripStep, size_t{1}) * kStripStep;
    strip_blocks_ = std::min<size_t>(strip_blocks_, form.decoded_bytes / filter.block_bytes);
  }

  Status open(std::span<const std::byte> stored) {
    const size_t merged_bytes =
        state_.around_cache ? strip_blocks_ * filter_.block_bytes + left_over() : 0;
    std::span<std::byte> scratch = state_.scratch.take(scratch_bytes() + merged_bytes);
    merged_ = scratch.first(merged_bytes);
    scratch = scratch.subspan(merged_bytes);
    for (uint32_t i = 0; i < form_.stream_count; ++i) {
      const StreamForm& stream = form_.streams[i];
      auto status = open_stream(i, stored.first(stream.stored_bytes), scratch);
      if (!status.ok()) return status.error().at(text("stream ", i));
      stored = stored.subspan(stream.stored_bytes);
    }
    return Ok{};
  }

  /// Merges block_count blocks, and with the last of them the bytes left over.
  Status merge(size_t block_count, bool last, std::span<std::byte> decoded) {
    std::array<std::span<const std::byte>, kStreamCountMax> parts;
    for (uint32_t i = 0; i < form_.stream_count; ++i) {
      auto part = sources_[i].take(strip_stream_bytes(i, block_count, last));
      if (!part.ok()) return part.error().at(text("stream ", i));
      parts[i] = *part;
    }
    const auto streams = std::span(parts).first(form_.stream_count);
    if (merged_.empty()) {
      filter_.merge(streams, decoded);
      return Ok{};
    }
    filter_.merge(streams, merged_.first(decoded.size()));
    copy_around_cache(decoded, merged_.first(decoded.size()));
    return Ok{};
  }

  Status decode(std::span<std::byte> decoded) {
    size_t blocks_left = decoded.size() / filter_.block_bytes;
    do {
      const size_t blocks = std::min(strip_blocks_, blocks_left);
      blocks_left -= blocks;
      const bool last = blocks_left == 0;
      const size_t bytes = last ? decoded.size() : blocks * filter_.block_bytes;
      QLOAD_CHECK(merge(blocks, last, decoded.first(bytes)));
      decoded = decoded.subspan(bytes);
    } while (blocks_left > 0);
    for (uint32_t i = 0; i < form_.stream_count; ++i) {
      if (sources_[i].decoder == nullptr) continue;
      auto status = sources_[i].decoder->finish();
      if (!status.ok()) return status.error().at(text("stream ", i));
    }
    return Ok{};
  }

 private:
  size_t left_over() const { return form_.decoded_bytes % filter_.block_bytes; }

  size_t strip_stream_bytes(uint32_t stream, size_t block_count, bool last) const {
    const bool has_rest = last && stream + 1 == form_.stream_count;
    return block_count * filter_.field_bytes[stream] + (has_rest ? left_over() : 0);
  }

  /// What a stream needs of the scratch memory.
  size_t room_of(uint32_t stream) const {
    const StreamForm& form = form_.streams[stream];
    if (form.codec == CodecId::kStore) return 0;
    return codec_of(form).in_strips ? strip_stream_bytes(stream, strip_blocks_, true)
                                    : form.decoded_bytes;
  }

  size_t scratch_bytes() const {
    size_t bytes = 0;
    for (uint32_t i = 0; i < form_.stream_count; ++i) bytes += room_of(i);
    return bytes;
  }

  Status open_stream(uint32_t number, std::span<const std::byte> stored,
                     std::span<std::byte>& scratch) {
    const StreamForm& form = form_.streams[number];
    StreamSource& source = sources_[number];
    if (form.codec == CodecId::kStore) {
      source.whole = stored;
      return Ok{};
    }
    const Codec& codec = codec_of(form);
    const auto room = scratch.first(room_of(number));
    scratch = scratch.subspan(room.size());
    Decoder& decoder = state_.decoder(codec, number);
    decoder.write_around_cache(false);
    if (codec.in_strips) {
      source.decoder = &decoder;
      source.strip = room;
      return decoder.open(stored, form.decoded_bytes);
    }
    source.whole = room;
    return decoder.decode(stored, room);
  }

  DecodeContext::State& state_;
  const ChunkForm& form_;
  const Filter& filter_;
  size_t strip_blocks_;
  std::span<std::byte> merged_;  ///< A merged strip on its way around the cache; else empty.
  std::array<StreamSource, kStreamCountMax> sources_;
};

/// A stream that is the whole chunk. Only a decoder with stores of its own goes around the cache:
/// copying from strips, as filters do, costs the slower kernels more than it saves.
Status decode_whole(DecodeContext::State& state, const StreamForm& form,
                    std::span<const std::byte> stored, std::span<std::byte> decoded) {
  Decoder& decoder = state.decoder(codec_of(form), 0);
  decoder.write_around_cache(state.around_cache);
  return decoder.decode(stored, decoded);
}

}  // namespace

uint64_t decode_scratch_bytes(const ChunkForm& form) {
  const Filter* filter = form.filter == FilterId::kNone ? nullptr : find_filter(form.filter);
  if (filter == nullptr) return 0;
  const size_t widest = *std::ranges::max_element(filter->field_bytes);
  // A strip of each stream, merged, and the bytes left over; blocks to a strip as in FilteredChunk.
  const size_t strip_blocks = std::max(kStripBytes / widest / kStripStep, size_t{1}) * kStripStep;
  uint64_t bytes = 2 * (strip_blocks + 1) * filter->block_bytes;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    if (stream.codec != CodecId::kStore && !codec_of(stream).in_strips)
      bytes += stream.decoded_bytes;
  }
  return bytes;
}

Status decode_chunk(DecodeContext& context, const ChunkForm& form,
                    std::span<const std::byte> stored, std::span<std::byte> decoded) {
  QLOAD_ASSERT(stored.size() == form.stored_bytes);
  QLOAD_ASSERT(decoded.size() == form.decoded_bytes);
  DecodeContext::State& state = context.state();
  if (form.filter == FilterId::kNone) {
    QLOAD_CHECK(decode_whole(state, form.streams[0], stored, decoded));
  } else {
    const Filter* filter = find_filter(form.filter);
    QLOAD_ASSERT(filter != nullptr);
    FilteredChunk chunk(state, form, *filter);
    QLOAD_CHECK(chunk.open(stored));
    QLOAD_CHECK(chunk.decode(decoded));
  }
  if (state.around_cache) finish_stores_around_cache();
  return Ok{};
}

}  // namespace qload
