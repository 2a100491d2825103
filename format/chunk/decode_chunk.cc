// Chunk decoding: every stream by its codec, then the filter backwards, each byte written once
// more only where it must be.
#include <array>
#include <memory>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/chunk/chunk.h"
#include "format/chunk/scratch.h"

namespace qload {

/// One decoder for each codec met so far, and room for the coded planes of one chunk.
struct DecodeContext::State {
  Decoder& decoder(const Codec& codec) {
    auto& made = decoders[static_cast<size_t>(codec.id)];
    if (made == nullptr) made = codec.make_decoder();
    return *made;
  }

  std::array<std::unique_ptr<Decoder>, kCodecIdCount> decoders;
  Scratch scratch;
};

DecodeContext::DecodeContext() : state_(std::make_unique<State>()) {}
DecodeContext::~DecodeContext() = default;
DecodeContext::DecodeContext(DecodeContext&&) noexcept = default;
DecodeContext& DecodeContext::operator=(DecodeContext&&) noexcept = default;

namespace {

Status decode_stream(DecodeContext::State& state, const StreamForm& form,
                     std::span<const std::byte> stored, std::span<std::byte> decoded) {
  const Codec* codec = find_codec(form.codec);
  QLOAD_ASSERT(codec != nullptr);
  return state.decoder(*codec).decode(stored, decoded);
}

/// Coded streams are decoded into scratch; stored ones are merged from where they lie.
Status decode_filtered(DecodeContext::State& state, const ChunkForm& form, const Filter& filter,
                       std::span<const std::byte> stored, std::span<std::byte> decoded) {
  size_t coded_bytes = 0;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    if (form.streams[i].codec != CodecId::kStore) coded_bytes += form.streams[i].decoded_bytes;
  }
  std::span<std::byte> scratch = state.scratch.take(coded_bytes);
  std::array<std::span<const std::byte>, kStreamCountMax> streams;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    const auto stream_stored = stored.first(stream.stored_bytes);
    stored = stored.subspan(stream.stored_bytes);
    if (stream.codec == CodecId::kStore) {
      streams[i] = stream_stored;
      continue;
    }
    const auto plane = scratch.first(stream.decoded_bytes);
    scratch = scratch.subspan(stream.decoded_bytes);
    auto status = decode_stream(state, stream, stream_stored, plane);
    if (!status.ok()) return status.error().at(text("stream ", i));
    streams[i] = plane;
  }
  filter.merge(std::span(streams).first(form.stream_count), decoded);
  return Ok{};
}

}  // namespace

Status decode_chunk(DecodeContext& context, const ChunkForm& form,
                    std::span<const std::byte> stored, std::span<std::byte> decoded) {
  QLOAD_ASSERT(stored.size() == form.stored_bytes);
  QLOAD_ASSERT(decoded.size() == form.decoded_bytes);
  if (form.filter == FilterId::kNone) {
    return decode_stream(context.state(), form.streams[0], stored, decoded);
  }
  const Filter* filter = find_filter(form.filter);
  QLOAD_ASSERT(filter != nullptr);
  return decode_filtered(context.state(), form, *filter, stored, decoded);
}

}  // namespace qload
