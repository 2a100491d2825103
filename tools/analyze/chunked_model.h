// A model as a list of chunks that can be read in any order, from source files or a container.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/pack/container_estimate.h"
#include "format/pack/cost_model.h"
#include "format/pack/progress_meter.h"
#include "format/pack/recipe.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload::analyze {

/// One tensor; or with kKept the kept bytes of one source file, which have no name.
struct ChunkRun {
  std::string_view name;
  ContentKind kind = ContentKind::kTensor;
  DType dtype = DType::kU8;
  std::span<const uint64_t> shape;
  uint64_t bytes = 0;
  uint32_t stack = kNoLayer;
  uint32_t layer = kNoLayer;
  std::optional<uint32_t> same_as;  ///< An earlier run whose chunks are its own, too.
  uint64_t first_item = 0;
  uint64_t chunk_count = 0;  ///< 0 of an empty tensor, and of one that is the same as another.
};

/// What reading one chunk needs. One for each thread.
struct ChunkReader {
  DecodeContext decoder;
  std::vector<std::byte> stored;
  std::vector<std::byte> decoded;  ///< The chunk that was read.
};

/// What a load of all tensors reads, and what there is on storage.
struct ContainerSize {
  uint64_t container_bytes = 0;
  uint64_t read_bytes = 0;
};

/// Items are chunks: those of run r are [first_item, first_item + chunk_count). Immutable once
/// opened; any thread may call it.
class ChunkedModel {
 public:
  virtual ~ChunkedModel() = default;

  virtual std::string_view format_name() const = 0;
  virtual uint64_t source_bytes() const = 0;  ///< Of all files that it is, or was packed from.
  /// Tensors in load order, then kept bytes where packing would store them.
  virtual std::span<const ChunkRun> runs() const = 0;
  virtual uint64_t item_count() const = 0;
  virtual uint64_t chunk_bytes(const ChunkRun& run, uint64_t chunk) const = 0;
  /// Fills reader.decoded with chunk `chunk` of `run`.
  virtual Status read(const ChunkRun& run, uint64_t chunk, ChunkReader& reader) const = 0;
  /// Asks the kernel for a chunk that is read later.
  virtual void read_ahead(const ChunkRun& run, uint64_t chunk) const = 0;

  /// The form that a chunk is stored in; nothing in a model that is not packed yet.
  virtual std::optional<ChunkForm> stored_form(const ChunkRun& run, uint64_t chunk) const = 0;
  /// What the recipe aims at for an item that is not packed yet.
  virtual const TargetDevice& pack_device(const ChunkRun& run, uint64_t item) const = 0;
  /// The container: this one, or one whose items have the sizes that `size_of` tells.
  virtual ContainerSize container_size(
      const std::function<ChunkSize(uint64_t item, uint64_t decoded_bytes)>& size_of) const = 0;

  /// Names of files beside the model that are no part of it; for a warning.
  virtual std::span<const std::string> left_out() const { return {}; }
};

struct OpenOptions {
  uint32_t threads = 1;
  /// Packing is for this device, as by `qpack pack --target`; nothing: the default recipe.
  std::optional<TargetDevice> target = {};
};

/// Opens what open_model_source opens, and containers. Looks for equal tensors, whose bytes
/// `progress` counts, and with a target encodes a sample. Errors as of reading, kCancelled.
Result<std::unique_ptr<ChunkedModel>> open_chunked_model(const std::filesystem::path& path,
                                                         const OpenOptions& options,
                                                         ProgressMeter& progress,
                                                         std::stop_token stop);

}  // namespace qload::analyze
