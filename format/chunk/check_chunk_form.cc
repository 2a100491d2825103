// Everything that a chunk's form must be before a byte of the chunk is touched.
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/chunk/chunk.h"

namespace qload {
namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// Stored size against decoded size, by codec. A coded stream is smaller than what it stands for:
/// where nothing is gained the stream is stored, so one that gains nothing is not ours.
Status check_stream(const StreamForm& stream) {
  const Codec* codec = find_codec(stream.codec);
  if (codec == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 text("codec ", static_cast<unsigned>(stream.codec), " is not known"));
  }
  if (stream.codec == CodecId::kStore) {
    if (stream.stored_bytes == stream.decoded_bytes) return Ok{};
    return corrupt(text("stored as it is in ", stream.stored_bytes, " bytes; expected ",
                        stream.decoded_bytes));
  }
  if (stream.stored_bytes == 0) return corrupt(text("codec ", codec->name, " in 0 stored bytes"));
  if (stream.stored_bytes >= stream.decoded_bytes) {
    return corrupt(text("codec ", codec->name, " in ", stream.stored_bytes,
                        " stored bytes; expected fewer than the decoded ", stream.decoded_bytes));
  }
  if (stream.codec == CodecId::kConstant && stream.stored_bytes != 1) {
    return corrupt(text("constant in ", stream.stored_bytes, " stored bytes; expected 1"));
  }
  return Ok{};
}

}  // namespace

Status check_chunk_form(const ChunkForm& form) {
  const Filter* filter = find_filter(form.filter);
  if (filter == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 text("filter ", static_cast<unsigned>(form.filter), " is not known"));
  }
  if (form.decoded_bytes == 0 || form.decoded_bytes > kChunkBytesMax) {
    return corrupt(
        text("chunk of ", form.decoded_bytes, " decoded bytes; expected 1 to ", kChunkBytesMax));
  }
  if (form.stream_count != filter->stream_count) {
    return corrupt(text("chunk of ", form.stream_count, " streams; filter ", filter->name, " has ",
                        filter->stream_count));
  }
  uint64_t stored_bytes = 0;  // At most kStreamCountMax * 2^32: no overflow.
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    const uint64_t expected = filter->stream_bytes(form.decoded_bytes, i);
    if (stream.decoded_bytes != expected) {
      return corrupt(text("stream ", i, " of ", stream.decoded_bytes, " decoded bytes; filter ",
                          filter->name, " gives it ", expected));
    }
    auto checked = check_stream(stream);
    if (!checked.ok()) return checked.error().at(text("stream ", i));
    stored_bytes += stream.stored_bytes;
  }
  if (stored_bytes != form.stored_bytes) {
    return corrupt(
        text("chunk of ", form.stored_bytes, " stored bytes; its streams have ", stored_bytes));
  }
  return Ok{};
}

}  // namespace qload
