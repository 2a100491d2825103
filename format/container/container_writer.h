// Writing a container, front to back, in load order. The superblock is written last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/chunk/chunk.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

/// A source file to record. Declared before the first tensor that names it by number.
struct FileEntry {
  std::string path;
  uint16_t format = 0;  ///< SourceFormat's value.
  uint64_t bytes = 0;
  uint64_t header_bytes = 0;
};

/// A tensor whose chunks follow.
struct TensorEntry {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
  uint64_t bytes = 0;
  uint32_t file = 0;
  uint64_t file_offset = 0;
};

/// One encoded chunk on its way to the file.
struct EncodedChunk {
  ChunkForm form;
  std::span<const std::byte> stored;
  uint64_t stored_checksum = 0;
  uint64_t decoded_checksum = 0;
};

struct ContainerWriterOptions {
  uint64_t alignment = 4096;         ///< A power of two in [4096, 65536].
  uint64_t extent_bytes = 4u << 20;  ///< An extent closes once it holds this much.
  bool overwrite = false;            ///< Replace an existing file.
  /// Chunks to come, where the caller knows: their records are then kept without growing copies.
  uint64_t chunk_count_hint = 0;
};

/// Calls come in this order: add_file for all files; then for each group begin_group, and in it
/// for each tensor begin_tensor, append_chunk..., end_tensor, or add_duplicate; then for each file
/// in order begin_kept, append_chunk..., end_kept; then finish. A call out of order asserts.
/// Nothing appears under the final name before finish() succeeds; destroying the writer earlier
/// leaves nothing. One thread at a time.
///
/// A raw chunk of 64 KiB or more that does not continue the raw chunk before it goes to a file
/// offset that equals its decoded offset modulo the alignment, so that it can be read straight
/// into place (docs/format.md, "Placement").
class ContainerWriter {
 public:
  static Result<ContainerWriter> create(const std::filesystem::path& path,
                                        const ContainerWriterOptions& options);
  ~ContainerWriter();
  ContainerWriter(ContainerWriter&&) noexcept;
  ContainerWriter& operator=(ContainerWriter&&) noexcept;

  void add_file(FileEntry file);
  /// Tensors of one layer of one stack, or (kNoLayer, kNoLayer).
  void begin_group(uint32_t stack, uint32_t layer);
  void begin_tensor(const TensorEntry& tensor);
  /// A whole tensor with the same bytes as tensor number `original`, counted in the order of these
  /// calls: it shares the original's chunks and has its digest. REQUIRES: original is ended, and
  /// has as many bytes.
  void add_duplicate(const TensorEntry& tensor, uint64_t original);
  void begin_kept(uint32_t file);
  Status append_chunk(const EncodedChunk& chunk);
  /// `digest` is of the decoded bytes, all chunks in order.
  void end_tensor(const Digest& digest);
  void end_kept(const Digest& digest);
  /// Writes index and superblock, syncs, renames. Returns the container's size.
  Result<uint64_t> finish();

 private:
  struct State;
  explicit ContainerWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace qload
