// A whole file compressed by zstd -1 in independent frames: what the paper's contenders read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "qload/result.h"

namespace qload::bench {

/// Decoded bytes of a frame.
inline constexpr uint32_t kFrameBytes = 1u << 20;

/// Where the frames of a compressed file are. The layout is private to the benchmark:
///   uint64 magic, uint64 decoded bytes, uint32 stored bytes of each frame, then the frames.
struct CompressedIndex {
  uint64_t decoded_bytes = 0;
  std::vector<uint64_t> frame_ends;  ///< Offsets in the file; frame 0 starts at index_bytes.
  uint64_t index_bytes = 0;

  uint64_t frame_begin(uint64_t frame) const {
    return frame == 0 ? index_bytes : frame_ends[frame - 1];
  }
  uint64_t frame_decoded_bytes(uint64_t frame) const;
};

/// Compresses `input` into a new file `output` with `threads` threads. Returns its size.
Result<uint64_t> write_compressed_file(const std::filesystem::path& input,
                                       const std::filesystem::path& output, uint32_t threads);

/// Parses the index from the front of a compressed file of `file_bytes` bytes.
Result<CompressedIndex> parse_compressed_index(std::span<const std::byte> front,
                                               uint64_t file_bytes);

/// Bytes of the index of a file that decodes to `decoded_bytes`.
uint64_t compressed_index_bytes(uint64_t decoded_bytes);
/// Bytes before the first frame's size: enough to learn decoded_bytes.
inline constexpr uint64_t kCompressedHeadBytes = 16;

}  // namespace qload::bench
