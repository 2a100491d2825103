// Model: an opened container. The verified index, no weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "qload/options.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

namespace internal {
struct ModelState;
}

/// One source file of a packed model. Lives as long as its Model.
struct SourceFileInfo {
  std::string_view path;
  std::string_view format;    ///< "safetensors", "gguf", "raw" or "companion".
  uint64_t bytes = 0;         ///< Of the original file.
  uint64_t header_bytes = 0;  ///< What read_header returns.
};

/// An opened container. Immutable; any thread may read it. Move-only; a moved-from Model may
/// only be destroyed or assigned. Must outlive the Weights loaded from it (their TensorInfo
/// pointers lead here).
class Model {
 public:
  /// Opens the container at `path` and proves its index.
  static Result<Model> open(const std::filesystem::path& path, const ModelOptions& options = {});
  /// The same for a container at [offset, offset + bytes) of an open file, e.g. inside an APK.
  /// `bytes` 0: to the end of the file. The descriptor is duplicated; the caller keeps its own.
  static Result<Model> open_descriptor(int descriptor, uint64_t offset, uint64_t bytes,
                                       const ModelOptions& options = {});
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  std::span<const TensorInfo> tensors() const;          ///< In load (execution) order.
  const TensorInfo* find(std::string_view name) const;  ///< Null when absent.
  uint32_t layer_count() const;                         ///< Layers of all stacks.
  uint64_t decoded_bytes() const;                       ///< Sum over tensors.
  uint64_t stored_bytes() const;                        ///< Size of the container.
  const Digest& digest() const;  ///< Over all decoded content (docs/format.md).

  std::span<const SourceFileInfo> files() const;
  /// The original header of files()[file]: the safetensors length and JSON, the GGUF key-values
  /// and tensor table with padding, all of a companion file. Reads and decodes it now.
  Result<std::vector<std::byte>> read_header(uint32_t file) const;

  const internal::ModelState& state() const { return *state_; }  ///< For the Loader.

 private:
  explicit Model(std::shared_ptr<const internal::ModelState> state);
  std::shared_ptr<const internal::ModelState> state_;
};

}  // namespace qload
