// LayerStream: a model layer after layer, in less memory than it decodes to.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "qload/model.h"
#include "qload/options.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

namespace internal {
struct StreamState;
struct LayerState;
}  // namespace internal

/// What the planner reckons with; a profile of the device tells (`qload_bench calibrate`). 0: not
/// known; then 1 GB/s of storage, 2 GB/s of decoding for each decode thread, and no computing.
struct StreamRates {
  double storage_rate = 0;       ///< Stored bytes a second.
  double decode_rate = 0;        ///< Decoded bytes a second, all decode threads together.
  double compute_seconds = 0;    ///< The caller's work in one pass.
  uint32_t compute_threads = 0;  ///< That it takes, of as many as there are decode threads. 0: all.
};

/// How to stream. Spans are read by Loader::stream only.
struct StreamOptions {
  /// Required. Bytes alive at once, of whatever the stream decodes, keeps packed and holds in
  /// staging memory (the Loader's whole staging area counts), layers that the caller holds
  /// included. The index, plans and each decode thread's scratch memory are beside it, as with a
  /// load. kBudgetTooSmall names the least that would do.
  uint64_t budget_bytes = 0;
  uint32_t passes = 1;  ///< 0: again and again, until the stream is destroyed.
  /// Numbers of the groups of a pass, in this order, each at most once; empty: all, in execution
  /// order. Group n is the n-th run of tensors() with the same stack and layer.
  std::span<const uint32_t> order = {};
  /// Patterns of tensor names, as fnmatch(3) knows them (`*`, `?`, `[a-z]`, `\\` before a character
  /// that is meant itself), that stay decoded from the first pass on; kNotFound for one that
  /// matches nothing. A tensor that `skip` names too is skipped.
  std::span<const std::string_view> resident = {};
  /// Patterns of tensors that no layer brings: the caller sees to them. kNotFound as above.
  std::span<const std::string_view> skip = {};
  /// Keep further tensors decoded while the budget holds them: those that save most reading a
  /// byte. Off: only what `resident` names.
  bool fill_resident = true;
  /// Keep stored bytes of others in memory and decode them from there, where the rates say that a
  /// pass gets shorter: for devices whose memory holds the packed model and not the decoded one.
  bool keep_packed = false;
  StreamRates rates = {};
  /// Layers larger than this come in parts, and tensors larger than this by ranges of rows. 0:
  /// layers come whole. Else at least the model's largest chunk (1 MiB or so).
  uint64_t part_bytes = 0;
  /// verify, pinning, huge_pages, page_cache, allocator and stop hold for all of the stream; a
  /// hook's memory counts against the budget too. on_progress tells of what Loader::stream loads
  /// before it returns, decoded tensors, then packed ones. No statistics: LayerStream::last_pass()
  /// has those.
  LoadOptions load = {};
};

/// A tensor, or a range of its rows, of a layer.
struct LayerTensor {
  const TensorInfo* info = nullptr;
  std::span<const std::byte> data;
  uint64_t offset = 0;     ///< Of data[0] in the tensor: 0 unless it comes by ranges.
  uint64_t first_row = 0;  ///< offset / row_bytes(*info): whole rows where one fits in a chunk.
  uint64_t rows = 0;       ///< In data.
};

/// One layer, or a part of one, as long as it is not destroyed: that returns its memory to the
/// stream. Move-only; a moved-from one may only be destroyed or assigned. May outlive its stream
/// and Loader, not its Model. Any thread may read and destroy it.
class Layer {
 public:
  ~Layer();
  Layer(Layer&&) noexcept;
  Layer& operator=(Layer&&) noexcept;

  uint32_t pass() const;        ///< From 0.
  uint32_t group() const;       ///< See StreamOptions::order.
  uint32_t layer() const;       ///< Its number; kNoLayer before and after the layers.
  uint32_t stack() const;       ///< kNoLayer for a group of no layer.
  uint32_t part() const;        ///< From 0, below part_count().
  uint32_t part_count() const;  ///< 1: the layer is whole.
  std::span<const LayerTensor> tensors() const;  ///< In load order.
  /// The tensor of that name in this layer, or null.
  const LayerTensor* find(std::string_view name) const;

 private:
  friend class LayerStream;
  explicit Layer(std::unique_ptr<internal::LayerState> state);
  std::unique_ptr<internal::LayerState> state_;
};

/// How a stream divides its budget, and what it expects of a pass.
struct StreamFacts {
  uint64_t budget_bytes = 0;
  uint64_t staging_bytes = 0;
  uint64_t resident_bytes = 0;  ///< Memory of tensors that stay decoded.
  uint64_t packed_bytes = 0;    ///< Memory of stored bytes kept.
  uint64_t portion_bytes = 0;   ///< The rest: layers under way and in the caller's hands.
  uint32_t parts_per_pass = 0;
  uint64_t storage_bytes_per_pass = 0;  ///< Stored bytes that each pass reads.
  uint64_t decoded_bytes_per_pass = 0;  ///< Decoded in each pass.
  double seconds_per_pass =
      0;  ///< By the rates: the longest of reading, computing, and what the processors have to do.
  bool overlaps = false;  ///< The portions hold two layers, so that reading goes on meanwhile.
};

/// What one pass did.
struct PassStatistics {
  uint32_t pass = 0;
  double seconds = 0;       ///< From its first call of next() to the next pass's, or to the last.
  double wait_seconds = 0;  ///< The caller waited in next().
  double load_seconds = 0;  ///< Some layer of it was being loaded.
  double overlap = 0;       ///< Share of load_seconds that the caller did not wait for.
  uint64_t bytes_read = 0;  ///< From storage, alignment included.
  uint64_t bytes_stored = 0;
  uint64_t bytes_decoded = 0;
  double decode_busy_seconds = 0;  ///< Summed over threads.
};

/// Decodes layers ahead of the caller, in execution order, within a budget; pass after pass, the
/// first layers of the next while the last of this are used. Made by Loader::stream. Move-only; a
/// moved-from one may only be destroyed or assigned. Destroy it before its Loader. next() and
/// done() from one thread at a time; the rest from any.
class LayerStream {
 public:
  ~LayerStream();  ///< Stops what is under way. Layers in the caller's hands stay valid.
  LayerStream(LayerStream&&) noexcept;
  LayerStream& operator=(LayerStream&&) noexcept;

  bool done() const;  ///< All layers of all passes were given out.
  /// Waits for the next layer. kBudgetTooSmall, at once, when layers that the caller holds leave no
  /// room for it: release some and call again. kInvalidArgument when done. An error of a load, or
  /// kCancelled when LoadOptions::stop was tripped, ends the stream: every later call gives it too.
  Result<Layer> next();

  StreamFacts facts() const;
  /// Of the last pass whose layers were all given out; zeros before.
  PassStatistics last_pass() const;

 private:
  friend class Loader;
  explicit LayerStream(std::shared_ptr<internal::StreamState> state);
  std::shared_ptr<internal::StreamState> state_;
};

}  // namespace qload
