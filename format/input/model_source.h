// ModelSource: one or more model files as tensors with places in them. Readers fill its tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/base/file.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

/// Stored in containers; values are frozen.
enum class SourceFormat : uint8_t {
  kRaw = 0,          ///< Any file: one tensor of U8, named by the file.
  kSafetensors = 1,  ///< safetensors, by itself or as a shard.
  kGguf = 2,         ///< GGUF version 2 or 3.
  kCompanion = 3,    ///< A file kept beside the model (index JSON, config): no tensors.
};
std::string_view source_format_name(SourceFormat format);

/// One file of the model.
struct SourceFile {
  std::string path;  ///< Relative, '/'-separated, no "." or ".." or empty component.
  SourceFormat format = SourceFormat::kRaw;
  uint64_t bytes = 0;
  uint64_t header_bytes = 0;  ///< Bytes before the tensor data; all of a companion, 0 for raw.
};

/// One tensor: the range [offset, offset + bytes) of files()[file].
struct SourceTensor {
  std::string name;  ///< Unique in the model.
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;  ///< Row-major, outermost first (GGUF's order is reversed).
  uint32_t file = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// An opened model. Tensors of one file never overlap; they are sorted by file, then offset.
/// Immutable; read() may be called from any thread.
class ModelSource {
 public:
  ModelSource() = default;  ///< An empty model; readers fill it through add_file.

  std::span<const SourceFile> files() const { return files_; }
  std::span<const SourceTensor> tensors() const { return tensors_; }
  /// Files that were seen beside the model and are not part of it; for a warning.
  std::span<const std::string> left_out() const { return left_out_; }
  uint64_t bytes() const;  ///< Of all files.
  /// The open file behind files()[file], for advice to the kernel and for its identity.
  const File& handle(uint32_t file) const { return handles_[file]; }

  /// Fills `into` from byte `offset` of files()[file]. kCorrupt when the file shrank meanwhile.
  Status read(uint32_t file, uint64_t offset, std::span<std::byte> into) const;

  /// For readers. Adds a file with its tensors (`file` fields are set here). kCorrupt when a
  /// tensor name repeats one of an earlier file, a range leaves the file, or ranges overlap.
  Status add_file(File handle, SourceFile file, std::vector<SourceTensor> tensors);
  void add_left_out(std::string name) { left_out_.push_back(std::move(name)); }

 private:
  /// Adds tensors_ from `first` on to by_name_; an error, and nothing added, on a repeated name.
  Status index_names(size_t first);

  std::vector<File> handles_;
  std::vector<SourceFile> files_;
  std::vector<SourceTensor> tensors_;
  std::vector<uint32_t> by_name_;  // Numbers of tensors_, by name.
  std::vector<std::string> left_out_;
};

enum class OpenAs : uint8_t {
  kDetect,       ///< By content; a .safetensors or .gguf name that does not parse is refused.
  kRaw,          ///< One tensor of bytes, whatever it is.
  kSafetensors,  ///< Refused unless it parses as that.
  kGguf,
};

/// Opens a file, a directory of safetensors shards, or a *.safetensors.index.json with the
/// shards it names. Errors name the file, the field, the value and the offset.
Result<ModelSource> open_model_source(const std::filesystem::path& path, OpenAs as);

}  // namespace qload
