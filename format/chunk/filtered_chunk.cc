#include "format/chunk/filtered_chunk.h"

#include <algorithm>

#include "format/base/around_cache.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {
namespace {

/// What a strip's widest stream has: it stays in the L1 cache beside the others.
constexpr size_t kStripBytes = 16u << 10;

size_t strip_blocks_of(const Filter& filter) {
  const size_t widest = *std::ranges::max_element(filter.field_bytes);
  return std::max(kStripBytes / widest / kStripStep, size_t{1}) * kStripStep;
}

}  // namespace

Result<std::span<const std::byte>> FilteredChunk::StreamSource::take(size_t bytes) {
  if (decoder == nullptr) {
    const auto taken = whole.first(bytes);
    whole = whole.subspan(bytes);
    return taken;
  }
  QLOAD_CHECK(decoder->next(strip.first(bytes)));
  return std::span<const std::byte>(strip.first(bytes));
}

FilteredChunk::FilteredChunk(DecodeContext::State& state, const ChunkForm& form,
                             const Filter& filter)
    : state_(state),
      form_(form),
      filter_(filter),
      strip_blocks_(
          std::min<size_t>(strip_blocks_of(filter), form.decoded_bytes / filter.block_bytes)),
      bytes_left_(form.decoded_bytes) {}

size_t FilteredChunk::strip_stream_bytes(uint32_t stream, size_t block_count, bool last) const {
  const bool has_rest = last && stream + 1 == form_.stream_count;
  return block_count * filter_.field_bytes[stream] + (has_rest ? left_over() : 0);
}

/// What a stream needs of the scratch memory.
size_t FilteredChunk::room_of(uint32_t stream) const {
  const StreamForm& form = form_.streams[stream];
  if (form.codec == CodecId::kStore) return 0;
  return codec_of(form).in_strips ? strip_stream_bytes(stream, strip_blocks_, true)
                                  : form.decoded_bytes;
}

size_t FilteredChunk::merged_bytes() const {
  return state_.around_cache ? strip_blocks_ * filter_.block_bytes + left_over() : 0;
}

size_t FilteredChunk::scratch_bytes() const {
  size_t bytes = merged_bytes();
  for (uint32_t i = 0; i < form_.stream_count; ++i) bytes += room_of(i);
  return bytes;
}

void FilteredChunk::reserve() {
  state_.scratch.take(scratch_bytes());
  for (uint32_t i = 0; i < form_.stream_count; ++i) {
    const StreamForm& stream = form_.streams[i];
    if (stream.codec != CodecId::kStore) state_.decoder(codec_of(stream), i);
  }
}

Status FilteredChunk::open(std::span<const std::byte> stored) {
  std::span<std::byte> scratch = state_.scratch.take(scratch_bytes());
  merged_ = scratch.first(merged_bytes());
  scratch = scratch.subspan(merged_.size());
  for (uint32_t i = 0; i < form_.stream_count; ++i) {
    const StreamForm& stream = form_.streams[i];
    auto status = open_stream(i, stored.first(stream.stored_bytes), scratch);
    if (!status.ok()) return status.error().at(text("stream ", i));
    stored = stored.subspan(stream.stored_bytes);
  }
  return Ok{};
}

Status FilteredChunk::open_stream(uint32_t number, std::span<const std::byte> stored,
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

/// Bytes that are merged as they are stored come from memory, which a decoder leaves idle: one of
/// them fetches those meanwhile, where the fields of both streams are of one size.
void FilteredChunk::fetch_beside_decoding() {
  for (uint32_t i = 0; i < form_.stream_count; ++i) {
    if (sources_[i].decoder == nullptr) continue;
    for (uint32_t j = 0; j < form_.stream_count; ++j) {
      const bool alike = filter_.field_bytes[i] == filter_.field_bytes[j];
      if (sources_[j].decoder != nullptr || !alike) continue;
      return sources_[i].decoder->fetch_beside(sources_[j].whole.data());
    }
  }
}

/// Merges block_count blocks, and with the last of them the bytes left over.
Status FilteredChunk::merge(size_t block_count, bool last, std::span<std::byte> decoded) {
  std::array<std::span<const std::byte>, kStreamCountMax> parts;
  fetch_beside_decoding();
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

Status FilteredChunk::next(std::span<std::byte> decoded) {
  QLOAD_ASSERT(decoded.size() == bytes_left_ ||
               (decoded.size() < bytes_left_ && decoded.size() % step_bytes() == 0));
  bytes_left_ -= decoded.size();
  size_t blocks_left = decoded.size() / filter_.block_bytes;
  do {
    const size_t blocks = std::min(strip_blocks_, blocks_left);
    blocks_left -= blocks;
    const size_t bytes = blocks_left == 0 ? decoded.size() : blocks * filter_.block_bytes;
    QLOAD_CHECK(merge(blocks, blocks_left == 0 && bytes_left_ == 0, decoded.first(bytes)));
    decoded = decoded.subspan(bytes);
  } while (blocks_left > 0);
  return bytes_left_ == 0 ? finish() : Status(Ok{});
}

Status FilteredChunk::finish() {
  for (uint32_t i = 0; i < form_.stream_count; ++i) {
    if (sources_[i].decoder == nullptr) continue;
    auto status = sources_[i].decoder->finish();
    if (!status.ok()) return status.error().at(text("stream ", i));
  }
  return Ok{};
}

uint64_t decode_scratch_bytes(const ChunkForm& form) {
  const Filter* filter = form.filter == FilterId::kNone ? nullptr : find_filter(form.filter);
  if (filter == nullptr) return 0;
  // A strip of each stream, merged, and the bytes left over.
  uint64_t bytes = 2 * (strip_blocks_of(*filter) + 1) * filter->block_bytes;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    if (stream.codec != CodecId::kStore && !codec_of(stream).in_strips)
      bytes += stream.decoded_bytes;
  }
  return bytes;
}

}  // namespace qload
