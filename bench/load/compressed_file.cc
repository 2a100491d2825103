#include "bench/load/compressed_file.h"

#include <algorithm>
#include <utility>

#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/codec/codec.h"

namespace qload::bench {
namespace {

constexpr uint64_t kMagic = 0x314445534d505a51;  // "QZPMSED1"
// More than zstd's worst case adds to a frame (n / 256 and a few bytes).
constexpr uint64_t kFrameSlackBytes = 64u << 10;

uint64_t frame_count_of(uint64_t decoded_bytes) {
  return decoded_bytes / kFrameBytes + (decoded_bytes % kFrameBytes != 0 ? 1 : 0);
}

struct EncodedFrame {
  std::vector<std::byte> decoded;
  std::vector<std::byte> stored;
};

Status encode_frame(Encoder& encoder, const PlainFile& input, uint64_t offset,
                    EncodedFrame& frame) {
  frame.decoded.resize(std::min<uint64_t>(kFrameBytes, input.bytes() - offset));
  QLOAD_CHECK(input.read_at(offset, frame.decoded, kFrameBytes));
  frame.stored.resize(frame.decoded.size() + kFrameSlackBytes);
  const auto bytes = encoder.encode(frame.decoded, frame.stored);
  if (!bytes) return Error(ErrorCode::kIo, text("zstd refuses the frame at offset ", offset));
  frame.stored.resize(*bytes);
  return Ok{};
}

}  // namespace

uint64_t CompressedIndex::frame_decoded_bytes(uint64_t frame) const {
  return std::min<uint64_t>(kFrameBytes, decoded_bytes - frame * kFrameBytes);
}

uint64_t compressed_index_bytes(uint64_t decoded_bytes) {
  return kCompressedHeadBytes + frame_count_of(decoded_bytes) * sizeof(uint32_t);
}

Result<uint64_t> write_compressed_file(const std::filesystem::path& input,
                                       const std::filesystem::path& output, uint32_t threads) {
  // Eight frames for each thread in a round keep the threads busy to its end.
  constexpr uint64_t kRoundFrames = 8;
  QLOAD_TRY(PlainFile source, PlainFile::open(input));
  QLOAD_TRY(AtomicFile target, AtomicFile::create(output, {}));
  const Codec* codec = find_codec(CodecId::kZstd);
  if (codec == nullptr) return Error(ErrorCode::kUnsupported, "this build has no zstd codec");
  std::vector<std::unique_ptr<Encoder>> encoders;
  for (uint32_t number = 0; number < threads; ++number) {
    encoders.push_back(codec->make_encoder({.level = 1, .literals_only = false}));
  }
  std::vector<EncodedFrame> frames(threads * kRoundFrames);
  const uint64_t frame_count = frame_count_of(source.bytes());
  ByteWriter index;
  index.write(kMagic);
  index.write(source.bytes());
  uint64_t offset = compressed_index_bytes(source.bytes());
  for (uint64_t first = 0; first < frame_count; first += frames.size()) {
    const uint64_t count = std::min<uint64_t>(frames.size(), frame_count - first);
    Status encoded = run_parallel(threads, [&](uint32_t number) -> Status {
      for (uint64_t slot = number; slot < count; slot += threads) {
        QLOAD_CHECK(
            encode_frame(*encoders[number], source, (first + slot) * kFrameBytes, frames[slot]));
      }
      return Ok{};
    });
    if (!encoded.ok()) return std::move(encoded).error();
    for (uint64_t slot = 0; slot < count; ++slot) {
      index.write(static_cast<uint32_t>(frames[slot].stored.size()));
      QLOAD_CHECK(target.write_at(offset, frames[slot].stored));
      offset += frames[slot].stored.size();
    }
  }
  QLOAD_CHECK(target.write_at(0, index.bytes()));
  QLOAD_CHECK(target.commit());
  return offset;
}

Result<CompressedIndex> parse_compressed_index(std::span<const std::byte> front,
                                               uint64_t file_bytes) {
  ByteReader reader(front);
  const auto magic = reader.read<uint64_t>();
  const auto decoded_bytes = reader.read<uint64_t>();
  if (!magic || !decoded_bytes || *magic != kMagic) {
    return Error(ErrorCode::kCorrupt, "not a file compressed by this benchmark");
  }
  CompressedIndex index;
  index.decoded_bytes = *decoded_bytes;
  const uint64_t frame_count = frame_count_of(*decoded_bytes);
  if (reader.remaining() / sizeof(uint32_t) < frame_count) {
    return Error(ErrorCode::kCorrupt, text("the index of ", frame_count, " frames is cut short"));
  }
  index.index_bytes = compressed_index_bytes(*decoded_bytes);
  uint64_t end = index.index_bytes;
  for (uint64_t frame = 0; frame < frame_count; ++frame) {
    end += *reader.read<uint32_t>();
    index.frame_ends.push_back(end);
  }
  if (end != file_bytes) {
    return Error(ErrorCode::kCorrupt,
                 text("frames end at ", end, ", the file has ", file_bytes, " bytes"));
  }
  return index;
}

}  // namespace qload::bench
