// Fuzz target: chunks from hostile bytes, and round trips of any bytes.
//
// Input: a header that says what to do, then the bytes to do it to.
//   byte 0, bit 0: 0 = decode the rest as a stored chunk, 1 = encode the rest and decode it.
//   decode: filter, stream count, decoded size (4), then codec, stored size (4), decoded size (4)
//           of each stream, then the stored bytes. The golden chunks have this form after byte 0.
//   encode: gain_min in 1/256.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "format/base/bytes.h"
#include "format/chunk/chunk.h"
#include "format/chunk/chunk_strips.h"

namespace {

using namespace qload;

/// A wrong answer is as bad as a crash: make it one.
void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_chunk: %s\n", what);
  std::abort();
}

/// In pieces of an odd size the same verdict and, when it is good, the same bytes.
void compare_strips(const ChunkForm& form, std::span<const std::byte> stored,
                    std::span<const std::byte> decoded, bool good) {
  static ChunkStrips strips;
  std::vector<std::byte> piece(4999);
  Status status = strips.open(form, stored);
  while (status.ok() && strips.bytes_left() > 0) {
    const auto bytes = std::min<uint64_t>(piece.size(), strips.bytes_left());
    status = strips.next(std::span(piece).first(bytes));
    if (good && status.ok()) {
      require(
          std::equal(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(bytes), decoded.begin()),
          "strips differ from the chunk");
      decoded = decoded.subspan(bytes);
    }
  }
  require(status.ok() == good, "strips and the chunk disagree");
}

void decode_hostile(ByteReader reader) {
  ChunkForm form;
  const auto filter = reader.read<uint8_t>();
  const auto stream_count = reader.read<uint8_t>();
  const auto decoded_bytes = reader.read<uint32_t>();
  if (!filter || !stream_count || !decoded_bytes) return;
  form.filter = static_cast<FilterId>(*filter);
  form.stream_count = *stream_count;
  form.decoded_bytes = *decoded_bytes;
  for (uint32_t i = 0; i < std::min<uint32_t>(form.stream_count, kStreamCountMax); ++i) {
    const auto codec = reader.read<uint8_t>();
    const auto stored = reader.read<uint32_t>();
    const auto decoded = reader.read<uint32_t>();
    if (!codec || !stored || !decoded) return;
    form.streams[i] = {static_cast<CodecId>(*codec), *stored, *decoded};
  }
  form.stored_bytes = static_cast<uint32_t>(reader.remaining());
  if (!check_chunk_form(form).ok()) return;
  require(form.decoded_bytes <= kChunkBytesMax, "a form above the limit passed its check");
  // Stored bytes in an allocation of their exact size, so that a read past them is seen.
  const auto rest = *reader.read_bytes(reader.remaining());
  const std::vector<std::byte> stored(rest.begin(), rest.end());
  std::vector<std::byte> decoded(form.decoded_bytes);
  DecodeContext context;
  const auto status = decode_chunk(context, form, stored, decoded);
  if (!status.ok()) {
    require(status.error().code() == ErrorCode::kCorrupt, "an error other than corrupt");
  }
  compare_strips(form, stored, decoded, status.ok());
}

void round_trip(ByteReader reader) {
  static EncodeContext encode;
  static DecodeContext decode;
  const auto gain = reader.read<uint8_t>();
  if (!gain || reader.remaining() == 0) return;
  const auto input = *reader.read_bytes(std::min(reader.remaining(), kChunkBytesMax));
  std::vector<std::byte> stored;
  std::vector<std::byte> decoded(input.size());
  for (const Filter& filter : all_filters()) {
    for (const Codec& codec : all_codecs()) {
      const ChunkForm form = encode_chunk(
          encode, input,
          {.filter = filter.id, .codec = codec.id, .parameters = {}, .gain_min = *gain / 256.0},
          stored);
      require(check_chunk_form(form).ok(), "the encoder made a form that its check refuses");
      require(stored.size() == form.stored_bytes, "stored size and form disagree");
      require(stored.size() <= input.size(), "a chunk grew");
      require(decode_chunk(decode, form, stored, decoded).ok(), "own output does not decode");
      require(std::equal(input.begin(), input.end(), decoded.begin()), "decoded bytes differ");
      compare_strips(form, stored, input, true);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader reader(std::as_bytes(std::span(data, size)));
  const auto what = reader.read<uint8_t>();
  if (!what) return 0;
  if ((*what & 1) == 0) {
    decode_hostile(reader);
  } else {
    round_trip(reader);
  }
  return 0;
}
