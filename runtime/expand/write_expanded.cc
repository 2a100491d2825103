#include "runtime/expand/write_expanded.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <future>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "format/base/blocked_signals.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/expand/expand_plan.h"
#include "runtime/load/memory_budget.h"

namespace qload::internal {

namespace {

/// Two windows of memory, lent by the Loader, and which of them has pages.
class WindowBuffers {
 public:
  WindowBuffers() = default;
  ~WindowBuffers() {
    if (state_ != nullptr) state_->blocks->end_loan(block_);
  }
  WindowBuffers(const WindowBuffers&) = delete;
  WindowBuffers& operator=(const WindowBuffers&) = delete;

  static constexpr size_t kCount = 2;

  Status acquire(LoaderState& state, const ModelState& model) {
    state_ = &state;
    std::vector<uint32_t> all(model.tensors.size());
    std::iota(all.begin(), all.end(), 0u);
    QLOAD_TRY(block_,
              acquire_block(
                  state, model, all,
                  {kCount * kWindowBytes, kAlignmentMax, Pinning::kNever, HugePages::kAuto}, {}));
    return Ok{};
  }
  std::span<std::byte> buffer(size_t number) const {
    return {block_.data() + number % kCount * kWindowBytes, kWindowBytes};
  }
  /// Of the first `bytes` bytes of a buffer, those that nobody has touched.
  std::span<std::byte> take_fresh(size_t number, uint64_t bytes) {
    if (!block_.fresh_mapping() || number >= kCount) return {};
    return buffer(number).first(bytes);
  }
  bool direct_allowed() const { return block_.direct_allowed(); }

 private:
  LoaderState* state_ = nullptr;
  DestinationBlock block_;
};

/// The load of one window: its own statistics, progress of the whole.
LoadOptions window_options(const ExpandOptions& options, uint64_t decoded_before,
                           uint64_t decoded_total, LoadStatistics& statistics) {
  LoadOptions window = options.load;
  window.statistics = &statistics;
  if (options.load.on_progress) {
    window.on_progress = [&callback = options.load.on_progress, decoded_before,
                          decoded_total](const Progress& progress) {
      callback({decoded_before + progress.bytes_decoded, decoded_total});
    };
  }
  return window;
}

/// Holds what is written to the tensors' digests: the header claims the model's. Windows come in
/// order, one at a time.
class WrittenDigests {
 public:
  explicit WrittenDigests(const ModelState& model) : model_(model) {}

  Status add(const ExpandWindow& window, std::span<const std::byte> buffer) {
    for (const ExpandPart& part : window.parts) {
      const TensorInfo& tensor = model_.tensors[part.tensor];
      digest_.update(buffer.subspan(part.offset - window.begin, part.bytes));
      bytes_ += part.bytes;
      if (bytes_ < tensor.bytes) continue;
      const bool right = digest_.finish() == tensor.digest;
      digest_.reset();
      bytes_ = 0;
      if (right) continue;
      return Error(ErrorCode::kCorrupt,
                   text(quote(model_.container.file.name()), ": tensor ", quote(tensor.name),
                        " decodes to bytes of another digest than the index has"));
    }
    return Ok{};
  }

 private:
  const ModelState& model_;
  DigestStream digest_;
  uint64_t bytes_ = 0;  // Of the tensor under way.
};

// A buffer still has the bytes of the window before: what no tensor covers is to be zero.
void clear_gaps(const ExpandWindow& window, std::span<std::byte> buffer) {
  for (size_t i = 1; i < window.parts.size(); ++i) {
    const ExpandPart& before = window.parts[i - 1];
    const uint64_t gap_begin = before.offset + before.bytes;
    const auto gap = buffer.subspan(gap_begin - window.begin, window.parts[i].offset - gap_begin);
    std::fill(gap.begin(), gap.end(), std::byte{0});
  }
}

std::vector<LoadTarget> window_targets(const ExpandWindow& window, std::span<std::byte> buffer,
                                       bool direct_allowed) {
  std::vector<LoadTarget> targets;
  targets.reserve(window.parts.size());
  for (const ExpandPart& part : window.parts) {
    targets.push_back(
        {part.tensor, buffer.data() + (part.offset - window.begin), direct_allowed, part.chunks});
  }
  return targets;
}

// Writing goes through the page cache, from where the file is then mapped: O_DIRECT would save a
// copy at memory speed and cost a read of all that was written. It is never written through a
// mapping: a full disk would be a SIGBUS there, and each first touch of a page a fault.
Status write_windows(LoaderState& state, const ModelState& model, const ExpandedLayout& layout,
                     AtomicFile& file, const ExpandOptions& options, ExpandStatistics& statistics) {
  const auto windows =
      plan_windows(model.container.index, layout.tensors, model.container.superblock.alignment);
  if (windows.empty()) return Ok{};
  WindowBuffers buffers;
  QLOAD_CHECK(buffers.acquire(state, model));
  WrittenDigests digests(model);
  uint64_t decoded_bytes = 0;
  std::future<Status> written;  // The window before. Waits for its thread when it goes.
  for (size_t number = 0; number < windows.size(); ++number) {
    const ExpandWindow& window = windows[number];
    const std::span<std::byte> buffer = buffers.buffer(number);
    LoadStatistics loaded;
    const LoadSetting setting{.fresh_memory =
                                  buffers.take_fresh(number, window.end() - window.begin)};
    QLOAD_CHECK(run_load(state, model, window_targets(window, buffer, buffers.direct_allowed()),
                         setting,
                         window_options(options, decoded_bytes, model.decoded_bytes, loaded),
                         std::chrono::steady_clock::now()));
    decoded_bytes += loaded.bytes_decoded;
    statistics.bytes_read += loaded.bytes_read;
    clear_gaps(window, buffer);
    if (written.valid()) QLOAD_CHECK(written.get());
    const auto bytes =
        buffer.subspan(window.write_begin() - window.begin, window.end() - window.write_begin());
    const BlockedSignals blocked;
    written = std::async(std::launch::async, [&file, &window, &digests, buffer, bytes]() -> Status {
      QLOAD_CHECK(digests.add(window, buffer));
      return file.write_at(window.write_begin(), bytes);
    });
  }
  return written.get();
}

}  // namespace

Result<File> write_expanded(LoaderState& state, const ModelState& model,
                            const ExpandedLayout& layout, const std::filesystem::path& path,
                            const ExpandOptions& options, ExpandStatistics& statistics) {
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {.overwrite = true}));
  QLOAD_CHECK(file.reserve(layout.file_bytes));
  QLOAD_CHECK(write_windows(state, model, layout, file, options, statistics));
  QLOAD_CHECK(file.sync());
  QLOAD_CHECK(file.write_at(0, std::as_bytes(std::span(&layout.header, 1))));
  // Whoever writes the same name meanwhile: what is mapped is this file.
  QLOAD_TRY(File whole, File::from_descriptor(file.descriptor(), 0, 0, path.string()));
  QLOAD_CHECK(file.commit());
  return whole;
}

}  // namespace qload::internal
