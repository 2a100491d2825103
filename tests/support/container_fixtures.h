// Containers made by hand: a sample, indexes to break, checksums to mend after breaking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "format/container/container_reader.h"
#include "format/container/container_writer.h"
#include "format/container/index_tables.h"

namespace qload::test {

/// A ContainerWriter that is fed with decoded bytes. Fails the running test on an error.
class SampleWriter {
 public:
  SampleWriter(const std::filesystem::path& path, const ContainerWriterOptions& options);

  void add_file(FileEntry file) { writer_.add_file(std::move(file)); }
  void begin_group(uint32_t stack, uint32_t layer) { writer_.begin_group(stack, layer); }
  /// Chunks of `chunk_bytes`, filtered, their streams stored or constant (or zstd).
  void tensor(TensorEntry entry, std::span<const std::byte> bytes, size_t chunk_bytes = 1u << 20,
              FilterId filter = FilterId::kNone, CodecId codec = CodecId::kStore);
  /// A tensor with the bytes, and on the chunks, of tensor number `original` of `bytes` bytes.
  void duplicate(TensorEntry entry, uint64_t bytes, uint64_t original) {
    entry.bytes = bytes;
    writer_.add_duplicate(entry, original);
  }
  void kept(uint32_t file, std::span<const std::byte> bytes, size_t chunk_bytes = 1u << 20);
  uint64_t finish();

 private:
  void append(std::span<const std::byte> bytes, size_t chunk_bytes, const ChunkRecipe& recipe);

  ContainerWriter writer_;
  EncodeContext context_;
  std::vector<std::byte> stored_;
};

/// The sample: one safetensors file with five tensors (one empty) in two layers and before them,
/// and a companion of 5 bytes. Every filter and codec that needs no library to decode. The golden
/// container v1_small.qpk is this.
void write_sample(const std::filesystem::path& path, const ContainerWriterOptions& options = {});
/// The source files of the sample, in order.
std::vector<std::byte> sample_source();
inline constexpr std::string_view kSamplePath = "model.safetensors";
inline constexpr std::string_view kSampleCompanionPath = "extra/note.txt";
inline constexpr std::string_view kSampleCompanion = "hello";

/// Tables that own their records, to be broken one field at a time.
struct EditableIndex {
  explicit EditableIndex(const Container& container);
  IndexTables tables() const;
  /// The index block, with true checksums whatever the tables say; updates the superblock.
  std::vector<std::byte> seal();

  Superblock superblock;
  std::string names;
  std::vector<FileRecord> files;
  std::vector<TensorRecord> tensors;
  std::vector<uint64_t> shapes;
  std::vector<ChunkRecord> chunks;
  std::vector<StreamRecord> streams;
  std::vector<ExtentRecord> extents;
  std::vector<GroupRecord> groups;
  std::vector<uint32_t> name_order;
};

/// Makes section, index and superblock checksums and sizes of a whole container true again, and
/// its model digest when nothing else is wrong with the index. Follows damaged offsets only as
/// far as they stay inside.
void reseal(std::vector<std::byte>& container);

/// An anonymous file in memory with these bytes.
File memory_file(std::span<const std::byte> bytes);

/// A source file put together again from its tensors and kept bytes.
Result<std::vector<std::byte>> restore_source(const Container& container, uint32_t file);

}  // namespace qload::test
