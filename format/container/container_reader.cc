#include "format/container/container_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/container/index_check.h"
#include "format/container/index_writer.h"

namespace qload {
namespace {

/// Unknown incompatible features, by bit number.
Status check_features(const Superblock& superblock) {
  uint64_t unknown = superblock.incompatible_features & ~kIncompatibleFeaturesKnown;
  if (unknown == 0) return Ok{};
  std::string bits;
  for (uint32_t bit = 0; bit < 64; ++bit) {
    if (unknown >> bit & 1) bits += text(bits.empty() ? "" : ", ", bit);
  }
  return unsupported("superblock: unknown incompatible features, bits ", bits);
}

/// Where the superblock says container and index end.
Status check_ranges(const Superblock& superblock, uint64_t file_bytes) {
  if (!is_power_of_two(superblock.alignment) || superblock.alignment < kAlignmentMin ||
      superblock.alignment > kAlignmentMax) {
    return corrupt("superblock: alignment ", superblock.alignment,
                   ", expected a power of two from ", kAlignmentMin, " to ", kAlignmentMax);
  }
  if (superblock.container_bytes > file_bytes) {
    return corrupt("truncated: the file has ", file_bytes, " bytes, expected ",
                   superblock.container_bytes);
  }
  if (superblock.container_bytes < file_bytes) {
    return corrupt("too long: the file has ", file_bytes, " bytes, expected ",
                   superblock.container_bytes);
  }
  if (superblock.index_offset < kSuperblockBytes ||
      superblock.index_offset % superblock.alignment != 0) {
    return corrupt("superblock: index offset ", superblock.index_offset,
                   ", expected a multiple of ", superblock.alignment, " from ", kSuperblockBytes);
  }
  if (superblock.index_bytes > kIndexBytesMax) {
    return corrupt("superblock: index of ", superblock.index_bytes, " bytes, at most ",
                   kIndexBytesMax);
  }
  auto index_end = checked_add(superblock.index_offset, superblock.index_bytes);
  if (!index_end || *index_end != superblock.container_bytes) {
    return corrupt("superblock: index of ", superblock.index_bytes, " bytes at offset ",
                   superblock.index_offset, ", expected to end at ", superblock.container_bytes);
  }
  return Ok{};
}

Status check_superblock(const Superblock& superblock, uint64_t file_bytes) {
  if (superblock.version != kContainerVersion) {
    return unsupported("superblock: container version ", superblock.version, ", expected ",
                       kContainerVersion);
  }
  if (uint64_t checksum = superblock_checksum(superblock); checksum != superblock.checksum) {
    return corrupt("superblock: checksum ", checksum, ", expected ", superblock.checksum);
  }
  QLOAD_CHECK(check_features(superblock));
  for (size_t i = 0; i < sizeof superblock.reserved; ++i) {
    if (superblock.reserved[i] != 0) {
      return corrupt("superblock: reserved byte at offset ", offsetof(Superblock, reserved) + i,
                     " is not zero");
    }
  }
  if (superblock.model_digest.algorithm == 0) return corrupt("superblock: no model digest");
  QLOAD_CHECK(check_digest(superblock.model_digest, "superblock: model", 0));
  return check_ranges(superblock, file_bytes);
}

/// Bounds what loading may allocate: constant chunks make gigabytes out of a few bytes.
Status check_decoded_bytes_max(const Index& index, const Superblock& superblock,
                               uint64_t decoded_bytes_max) {
  uint64_t kept_bytes = 0;  // Cannot overflow: proven to be sums of chunks.
  for (const FileRecord& file : index.files()) kept_bytes += file.kept_bytes;
  uint64_t found = std::max(superblock.decoded_bytes, kept_bytes);
  if (decoded_bytes_max == 0 || found <= decoded_bytes_max) return Ok{};
  return unsupported("the model decodes to ", found, " bytes, the limit set is ",
                     decoded_bytes_max);
}

Status read_superblock(const File& file, Superblock& superblock) {
  std::byte magic[sizeof kContainerMagic] = {};
  const auto magic_bytes = std::span(magic).first(std::min<uint64_t>(file.bytes(), sizeof magic));
  QLOAD_CHECK(file.read_at(0, magic_bytes));
  if (std::memcmp(magic, kContainerMagic, sizeof magic) != 0) {
    return corrupt("not a qpk container: its first 8 bytes are others");
  }
  if (file.bytes() < kSuperblockBytes) {
    return corrupt("truncated: the file has ", file.bytes(), " bytes, its superblock needs ",
                   kSuperblockBytes);
  }
  QLOAD_CHECK(file.read_at(0, std::as_writable_bytes(std::span(&superblock, 1))));
  return check_superblock(superblock, file.bytes());
}

Result<Index> read_index(const File& file, const Superblock& superblock,
                         const ContainerReadOptions& options) {
  QLOAD_TRY(std::vector<std::byte> bytes,
            file.read_vector(superblock.index_offset, superblock.index_bytes));
  QLOAD_TRY(Index index, Index::parse(std::move(bytes), superblock));
  QLOAD_CHECK(check_decoded_bytes_max(index, superblock, options.decoded_bytes_max));
  return index;
}

Status check_and_decode(const Container& container, const ChunkRecord& chunk,
                        DecodeContext& context, std::span<const std::byte> stored,
                        std::span<std::byte> decoded) {
  if (uint64_t checksum = checksum64(stored); checksum != chunk.stored_checksum) {
    return corrupt("stored bytes have checksum ", checksum, ", expected ", chunk.stored_checksum);
  }
  QLOAD_CHECK(decode_chunk(context, container.index.form(chunk), stored, decoded));
  if (uint64_t checksum = checksum64(decoded); checksum != chunk.decoded_checksum) {
    return corrupt("decoded bytes have checksum ", checksum, ", expected ", chunk.decoded_checksum);
  }
  return Ok{};
}

}  // namespace

bool is_container(const File& file) {
  std::byte magic[sizeof kContainerMagic];
  if (file.bytes() < sizeof magic || !file.read_at(0, magic).ok()) return false;
  return std::memcmp(magic, kContainerMagic, sizeof magic) == 0;
}

Result<Container> read_container(File file, const ContainerReadOptions& options) {
  Superblock superblock;
  if (Status read = read_superblock(file, superblock); !read.ok()) {
    return read.error().at(file.name());
  }
  auto index = read_index(file, superblock, options);
  if (!index.ok()) return index.error().at(file.name());
  return Container{std::move(file), superblock, std::move(index).value()};
}

Status read_chunk(const Container& container, const ChunkRecord& chunk, DecodeContext& context,
                  std::vector<std::byte>& stored, std::span<std::byte> decoded) {
  QLOAD_ASSERT(decoded.size() == chunk.decoded_bytes);
  stored.resize(chunk.stored_bytes);
  Status status = container.file.read_at(chunk.offset, stored);
  if (status.ok()) status = check_and_decode(container, chunk, context, stored, decoded);
  if (status.ok()) return status;
  return status.error().at(describe_chunk(container.index, chunk)).at(container.file.name());
}

Result<std::vector<std::byte>> read_kept(const Container& container, uint32_t file,
                                         uint64_t bytes) {
  QLOAD_ASSERT(file < container.index.files().size());
  const FileRecord& record = container.index.files()[file];
  QLOAD_ASSERT(bytes <= record.kept_bytes);
  DecodeContext context;
  std::vector<std::byte> stored;
  std::vector<std::byte> kept;
  for (const ChunkRecord& chunk : container.index.chunks_of(record)) {
    if (kept.size() >= bytes) break;
    kept.resize(chunk.decoded_offset + chunk.decoded_bytes);
    QLOAD_CHECK(read_chunk(container, chunk, context, stored,
                           std::span(kept).subspan(chunk.decoded_offset)));
  }
  kept.resize(bytes);
  return kept;
}

}  // namespace qload
