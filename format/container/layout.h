// The container's fixed-width records, version 1. docs/format.md is the law; this mirrors it.
// All integers are little-endian; all offsets count from the container's first byte.
#pragma once

#include <cstdint>

namespace qload {

inline constexpr uint8_t kContainerMagic[8] = {0x89, 'Q', 'P', 'K', '\r', '\n', 0x1A, '\n'};
inline constexpr uint32_t kContainerVersion = 1;
inline constexpr uint64_t kSuperblockBytes = 4096;
/// Raw bytes next to each other are placed for reading in place from this many on: below it a copy
/// out of the staging memory is cheaper than a read of its own (docs/format.md, "Placement").
inline constexpr uint32_t kInPlaceBytesMin = 64u << 10;
inline constexpr uint32_t kIndexMagic = 0x58444951;  // "QIDX"

/// Feature bits this library understands. A set incompatible bit outside them is kUnsupported;
/// unknown compatible bits are ignored.
inline constexpr uint64_t kCompatibleFeaturesKnown = 0;
inline constexpr uint64_t kIncompatibleFeaturesKnown = 0;

struct DigestRecord {
  uint32_t algorithm;  ///< 1: XXH3-128, canonical, in bytes[0..15], the rest zero.
  uint32_t reserved;
  uint8_t bytes[32];
};
static_assert(sizeof(DigestRecord) == 40);

/// At offset 0. Written last, so that a torn file has none.
struct Superblock {
  uint8_t magic[8];
  uint32_t version;
  uint32_t alignment;  ///< Of extents and of the index: a power of two, 4096 to 65536.
  uint64_t compatible_features;
  uint64_t incompatible_features;
  uint64_t container_bytes;  ///< Everything: superblock, extents, index.
  uint64_t index_offset;     ///< A multiple of alignment.
  uint64_t index_bytes;      ///< Ends the container.
  uint64_t index_checksum;   ///< XXH3-64 of the index.
  uint64_t decoded_bytes;    ///< Sum of all tensors' bytes.
  DigestRecord model_digest;
  uint8_t reserved[4096 - 120];  ///< Zero.
  uint64_t checksum;             ///< XXH3-64 of the 4088 bytes before it.
};
static_assert(sizeof(Superblock) == kSuperblockBytes);

/// Opens the index; SectionRecord[section_count] follow, then the sections, each on 8 bytes.
struct IndexHeader {
  uint32_t magic;  ///< kIndexMagic
  uint32_t section_count;
};
static_assert(sizeof(IndexHeader) == 8);

enum class SectionType : uint32_t {
  kNames = 1,      ///< Bytes: UTF-8 text that other records point into.
  kFiles = 2,      ///< FileRecord[]
  kTensors = 3,    ///< TensorRecord[], in load order.
  kShapes = 4,     ///< uint64_t[]
  kChunks = 5,     ///< ChunkRecord[], in file order.
  kStreams = 6,    ///< StreamRecord[]
  kExtents = 7,    ///< ExtentRecord[], in file order.
  kGroups = 8,     ///< GroupRecord[], in load order.
  kNameOrder = 9,  ///< uint32_t[]: tensor numbers in byte order of their names.
};
/// Section may be skipped by a reader that does not know its type.
inline constexpr uint32_t kSectionRequired = 0;
inline constexpr uint32_t kSectionSkippable = 1;

struct SectionRecord {
  uint32_t type;
  uint32_t compatibility;  ///< kSectionRequired or kSectionSkippable.
  uint64_t offset;         ///< From the container's start, a multiple of 8, inside the index.
  uint64_t bytes;
  uint64_t checksum;  ///< XXH3-64 of the section's bytes.
};
static_assert(sizeof(SectionRecord) == 32);

/// A source file. Its bytes outside its tensors (header, padding, tail) are "kept": decoded from
/// one chunk run, in order. header_bytes of them open the file.
struct FileRecord {
  uint64_t path_offset;  ///< Into kNames.
  uint32_t path_bytes;
  uint16_t format;  ///< SourceFormat
  uint16_t reserved;
  uint64_t bytes;
  uint64_t header_bytes;
  uint64_t kept_bytes;  ///< bytes minus the sum of the file's tensors.
  uint64_t first_chunk;
  uint64_t chunk_count;
  DigestRecord kept_digest;
};
static_assert(sizeof(FileRecord) == 96);

struct TensorRecord {
  uint64_t name_offset;  ///< Into kNames.
  uint32_t name_bytes;
  uint16_t dtype;
  uint16_t rank;
  uint64_t first_dimension;  ///< Into kShapes; row-major, outermost first.
  uint64_t bytes;            ///< Decoded.
  uint64_t stored_bytes;     ///< Sum over its chunks.
  uint64_t first_chunk;
  uint64_t chunk_count;  ///< 0 only for an empty tensor.
  uint64_t file_offset;  ///< In the source file.
  uint32_t file;
  uint32_t stack;  ///< kNoLayer when in no layer.
  uint32_t layer;  ///< kNoLayer when in no layer.
  uint32_t reserved;
  DigestRecord digest;
};
static_assert(sizeof(TensorRecord) == 120);

struct ChunkRecord {
  uint64_t offset;
  uint64_t decoded_offset;    ///< In its tensor or kept run.
  uint64_t stored_checksum;   ///< XXH3-64 of the stored bytes.
  uint64_t decoded_checksum;  ///< XXH3-64 of the decoded bytes.
  uint32_t stored_bytes;
  uint32_t decoded_bytes;
  uint64_t first_stream;
  uint8_t filter;
  uint8_t stream_count;
  uint16_t reserved;
  uint32_t reserved2;
};
static_assert(sizeof(ChunkRecord) == 56);

struct StreamRecord {
  uint8_t codec;
  uint8_t reserved[7];
  uint32_t stored_bytes;
  uint32_t decoded_bytes;
};
static_assert(sizeof(StreamRecord) == 16);

/// An aligned run of chunks: where padding may stand. A layout unit; reads need not follow it.
struct ExtentRecord {
  uint64_t offset;  ///< A multiple of alignment.
  uint64_t bytes;   ///< A multiple of alignment; bytes outside chunks are zero.
  uint64_t first_chunk;
  uint64_t chunk_count;
};
static_assert(sizeof(ExtentRecord) == 32);

/// Tensors that load together: one layer of one stack, or those before or after all layers.
struct GroupRecord {
  uint32_t stack;  ///< kNoLayer: belongs to no layer.
  uint32_t layer;
  uint64_t first_tensor;
  uint64_t tensor_count;
  uint64_t bytes;  ///< Decoded, sum over its tensors.
};
static_assert(sizeof(GroupRecord) == 32);

}  // namespace qload
