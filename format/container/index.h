// The index of a container in memory: checked once, then read in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/container/index_tables.h"
#include "format/container/layout.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

/// Views into one index block, which it owns. Every offset, count and size in it has been
/// checked (index_check.cc). Immutable; any thread may read it. Move-only.
class Index {
 public:
  /// Takes the index bytes and proves them: section checksums, every range, every sum, order of
  /// chunks and names, known dtypes, filters and codecs, zero reserved fields. kCorrupt or
  /// kUnsupported say which record, which field, the value found and the one expected.
  static Result<Index> parse(std::vector<std::byte> bytes, const Superblock& superblock);

  Index(Index&&) noexcept = default;
  Index& operator=(Index&&) noexcept = default;

  std::span<const FileRecord> files() const { return tables_.files; }
  std::span<const TensorRecord> tensors() const { return tables_.tensors; }  ///< In load order.
  std::span<const ChunkRecord> chunks() const { return tables_.chunks; }
  std::span<const StreamRecord> streams() const { return tables_.streams; }
  std::span<const ExtentRecord> extents() const { return tables_.extents; }
  std::span<const GroupRecord> groups() const { return tables_.groups; }
  std::span<const uint32_t> name_order() const { return tables_.name_order; }

  std::string_view name(const TensorRecord& tensor) const;
  std::string_view path(const FileRecord& file) const;
  std::span<const uint64_t> shape(const TensorRecord& tensor) const;
  /// The chunks of a tensor, or of a file's kept bytes, in decoded order.
  std::span<const ChunkRecord> chunks_of(const TensorRecord& tensor) const;
  std::span<const ChunkRecord> chunks_of(const FileRecord& file) const;
  ChunkForm form(const ChunkRecord& chunk) const;
  /// The tensor's number, by binary search.
  std::optional<uint32_t> find(std::string_view tensor_name) const;
  /// Bytes of the index block.
  uint64_t bytes() const { return bytes_.size(); }

 private:
  Index() = default;
  std::vector<std::byte> bytes_;
  IndexTables tables_;  // Views of bytes_, whose heap block moves with it.

  friend Digest model_digest(const Index& index);
};

/// The digest of a whole model: over names, types, shapes and tensor digests of every source
/// file, independent of chunking and codecs (docs/format.md, "Model digest").
Digest model_digest(const Index& index);

/// Where `chunk` (one of index.chunks()) is, for messages: tensor "a", chunk 2 of 9, offset 4096.
/// Linear in the number of tensors.
std::string describe_chunk(const Index& index, const ChunkRecord& chunk);

Digest to_digest(const DigestRecord& record);
DigestRecord to_record(const Digest& digest);

}  // namespace qload
