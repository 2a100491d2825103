// Upper bounds on every number that a file may claim. See docs/format.md, "Limits".
#pragma once

#include <cstdint>

namespace qload {

/// safetensors' own limit on the JSON header (safetensors, tensor.rs, MAX_HEADER_SIZE).
inline constexpr uint64_t kSafetensorsHeaderBytesMax = 100'000'000;
/// Tensor rank: safetensors sets none; ggml allows 4. 64 is more than any model uses.
inline constexpr uint32_t kRankMax = 64;
/// Tensors of one model. A 100,000-tensor mixture of experts fits forty times.
inline constexpr uint64_t kTensorCountMax = 1u << 22;
/// Source files of one model (shards and companions).
inline constexpr uint64_t kFileCountMax = 1u << 16;
/// Bytes of a tensor's name, or of a source file's path.
inline constexpr uint64_t kNameBytesMax = 65535;
/// Bytes of a container's index.
inline constexpr uint64_t kIndexBytesMax = 1ull << 31;
/// Decoded bytes of one chunk: bounds the scratch memory of a decoder.
inline constexpr uint64_t kChunkBytesMax = 16ull << 20;
/// Streams of one chunk: one per byte plane of an 8-byte element.
inline constexpr uint32_t kStreamCountMax = 8;
/// Alignment of extents: what O_DIRECT asks of every device known, and a 64 KiB-page kernel.
inline constexpr uint64_t kAlignmentMin = 4096;
inline constexpr uint64_t kAlignmentMax = 65536;

}  // namespace qload
