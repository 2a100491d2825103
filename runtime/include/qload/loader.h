// Loader: the pipeline from a Model's file to decoded tensors. Weights: what it returns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "qload/expand.h"
#include "qload/model.h"
#include "qload/options.h"
#include "qload/result.h"
#include "qload/stream.h"
#include "qload/tensor.h"

namespace qload {

class TensorCache;
struct CacheOptions;

namespace internal {
struct LoaderState;
struct WeightsState;
struct LoaderAccess;
enum class BlockSource : uint8_t;
}  // namespace internal

class PackedWeights;

/// Bytes that this process can still take before the memory limit of one of its control groups,
/// page cache counted as free: from it an engine chooses what it gives to weights. Nothing when no
/// group has a limit.
std::optional<uint64_t> memory_headroom();

/// Owns decoded tensors. Independent of the Loader that made it, which may be destroyed first; its
/// Model must outlive it. Move-only. Any thread may read it.
class Weights {
 public:
  ~Weights();
  Weights(Weights&&) noexcept;
  Weights& operator=(Weights&&) noexcept;

  std::span<const TensorView> tensors() const;          ///< In load order.
  const TensorView* find(std::string_view name) const;  ///< Null when not loaded.

 private:
  friend class Loader;
  explicit Weights(std::unique_ptr<internal::WeightsState> state);
  std::unique_ptr<internal::WeightsState> state_;
};

/// Owns the I/O thread, the decode threads and the staging memory: create one, reuse it. Any
/// thread may call it; up to eight loads at once share threads, staging and drive read by read, and
/// more wait for their turn. Destroy it after its last call returned.
class Loader {
 public:
  /// kInvalidArgument for a value out of its range; kUnsupported when an engine or O_DIRECT was
  /// required and the kernel refuses it; kBudgetTooSmall when memory_bytes_max does not hold the
  /// staging memory; kOutOfMemory.
  static Result<Loader> create(const LoaderOptions& options = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  /// All tensors. kBudgetTooSmall when memory_bytes_max or the control group does not hold them.
  Result<Weights> load(const Model& model, const LoadOptions& options = {});
  /// The named tensors; kNotFound names the first that is absent, kInvalidArgument one that is
  /// named twice.
  Result<Weights> load(const Model& model, std::span<const std::string_view> names,
                       const LoadOptions& options = {});
  /// The primitive under load(): decodes into caller memory. Returns when no read or decode can
  /// touch it any more. On failure the destinations hold unspecified bytes. Destinations must
  /// have the tensors' exact sizes and not overlap.
  Status load_into(const Model& model, std::span<const Destination> destinations,
                   const LoadOptions& options = {});

  /// Rows [first, first + count) of a tensor (row_bytes in qload/tensor.h) to `out`, which has
  /// their exact size. Reads and decodes the chunks that hold them and no others, straight to `out`
  /// but for the first and the last chunk, which have memory of their own meanwhile: for a table of
  /// which each use needs a row, as a token does of an embedding. Errors as of load_into();
  /// kInvalidArgument for rows that it does not have.
  Status load_rows(const Model& model, std::string_view tensor, uint64_t first, uint64_t count,
                   std::span<std::byte> out, const LoadOptions& options = {});

  /// Tensors as they are stored (qload/packed.h): read and, as LoadOptions::verify says, checked,
  /// and not decoded; kDecoded checks as kChunks does. Limits, hook and pinning as with load(). Its
  /// statistics and progress count stored bytes where they speak of decoded ones. kUnsupported for
  /// a container that scatters the chunks of a tensor.
  Result<PackedWeights> load_packed(const Model& model, const LoadOptions& options = {});
  Result<PackedWeights> load_packed(const Model& model, std::span<const std::string_view> names,
                                    const LoadOptions& options = {});
  /// load_into() out of memory: decodes whole tensors with all decode threads. kNotFound for one
  /// that `packed` lacks. Stored bytes that load_packed has checked are not checked again. Of
  /// `options` verify, on_progress, stop and statistics count.
  Status decode(const PackedWeights& packed, std::span<const Destination> destinations,
                const LoadOptions& options = {});

  /// Layer after layer within a budget (qload/stream.h). Loads what stays resident before it
  /// returns. kBudgetTooSmall, kNotFound, kInvalidArgument as the options say; errors of load().
  Result<LayerStream> stream(const Model& model, const StreamOptions& options);

  /// Tensors at random within a budget, see qload/cache.h. kBudgetTooSmall when it does not hold
  /// the staging memory and the largest unit, and names the number that would do; or when a limit
  /// of this Loader does not hold the budget. The Loader and `model` must outlive the cache.
  Result<TensorCache> cache(const Model& model, const CacheOptions& options);

  /// All tensors of `model` in a plain file at `path` that is mapped read-only: memory that the
  /// kernel counts as the file's and may take back. The file is decoded and written once, and
  /// serves every later call for a model of the same content; one that does not match (another
  /// model, another version, incomplete, of another size) is replaced. It appears whole or not at
  /// all; several processes may do this at once, each mapping a whole file. The Weights own the
  /// mapping: nobody may cut the file short while they live; removing or replacing it is no harm.
  /// kNoSpace before anything is decoded where the file system tells; kInvalidArgument for a path
  /// whose file is no expanded file; kBudgetTooSmall; kCancelled; errors of the load.
  Result<Weights> expand(const Model& model, const std::filesystem::path& path,
                         const ExpandOptions& options = {});

 private:
  friend struct internal::LoaderAccess;
  explicit Loader(std::unique_ptr<internal::LoaderState> state);
  Result<Weights> load_numbers(const Model& model, std::span<const uint32_t> numbers,
                               const LoadOptions& options, internal::BlockSource source);
  std::unique_ptr<internal::LoaderState> state_;
};

}  // namespace qload
