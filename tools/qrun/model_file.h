// ModelFile: a model as a list of tensors, packed or plain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/input/model_source.h"
#include "qload/model.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload::qrun {

/// One tensor, whatever file it comes from.
struct ModelTensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;  ///< Row-major, outermost first.
  uint64_t bytes = 0;
  uint32_t file = 0;    ///< Of a plain model.
  uint64_t offset = 0;  ///< Of a plain model, from the start of its file.
};

/// An opened model: a container (.qpk), a safetensors or GGUF file, or a folder of safetensors
/// shards. Its content decides. Immutable; any thread may read it. Must outlive what is loaded
/// from it.
class ModelFile {
 public:
  static Result<ModelFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::span<const ModelTensor> tensors() const { return tensors_; }
  /// "safetensors", "gguf" or "raw": what the tensors were packed from, or lie in.
  std::string_view format() const { return format_; }

  const Model* packed() const { return packed_ ? &*packed_ : nullptr; }     ///< Null: plain.
  const ModelSource* plain() const { return plain_ ? &*plain_ : nullptr; }  ///< Null: packed.

  /// The header of the first file with tensors: safetensors' length and JSON, GGUF's key-values and
  /// tensor table.
  Result<std::vector<std::byte>> read_header() const;
  /// A file that was packed, or lies, beside the shards; nothing when there is none.
  Result<std::optional<std::string>> read_companion(std::string_view name) const;

 private:
  struct FileFacts {
    std::string path;
    std::string format;
    uint64_t header_bytes = 0;
  };
  Result<std::vector<std::byte>> read_start(uint32_t file) const;
  void list_packed();
  void list_plain();

  std::filesystem::path path_;
  std::optional<Model> packed_;
  std::optional<ModelSource> plain_;
  std::vector<FileFacts> files_;
  std::vector<ModelTensor> tensors_;
  std::string format_;
};

}  // namespace qload::qrun
