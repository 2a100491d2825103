// Loader::expand.
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "runtime/expand/expanded_file.h"
#include "runtime/expand/write_expanded.h"
#include "runtime/load/no_throw.h"
#include "runtime/load/weights_state.h"

namespace qload {

namespace internal {

namespace {

Result<std::unique_ptr<WeightsState>> map_expanded(const ModelState& model,
                                                   const ExpandedLayout& layout, const File& file) {
  auto weights = std::make_unique<WeightsState>();
  QLOAD_TRY(weights->mapping, FileMapping::map(file));
  const std::span<const std::byte> bytes = weights->mapping.bytes();
  weights->tensors.reserve(model.tensors.size());
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& info = model.tensors[i];
    weights->tensors.push_back({&info, bytes.subspan(layout.tensors.offsets[i], info.bytes)});
  }
  weights->sort_names();
  return weights;
}

/// kCorrupt names the first tensor that differs from its digest.
Status check_tensors(const WeightsState& weights, const ExpandOptions& options) {
  for (const TensorView& view : weights.tensors) {
    if (options.load.stop.stop_requested()) {
      return Error(ErrorCode::kCancelled, "cancelled while an expanded file was verified");
    }
    if (digest_of(view.data) == view.info->digest) continue;
    return Error(ErrorCode::kCorrupt, text("tensor ", quote(view.info->name), " is damaged"));
  }
  return Ok{};
}

/// The file that is there, when it serves; else nothing, and statistics.reason says why.
Result<std::unique_ptr<WeightsState>> take_existing(const ModelState& model,
                                                    const ExpandedLayout& layout,
                                                    const std::filesystem::path& path,
                                                    const ExpandOptions& options,
                                                    ExpandStatistics& statistics) {
  auto file = File::open(path);
  if (!file.ok()) {
    if (file.error().code() != ErrorCode::kNotFound) return std::move(file).error();
    statistics.reason = "absent";
    return std::unique_ptr<WeightsState>();
  }
  QLOAD_TRY(statistics.reason, judge_expanded(*file, layout));
  if (options.rebuild) statistics.reason = "asked for";
  if (std::string_view(statistics.reason) != kExpandedComplete) {
    return std::unique_ptr<WeightsState>();
  }
  QLOAD_TRY(auto weights, map_expanded(model, layout, *file));
  if (!options.verify) return weights;
  Status intact = check_tensors(*weights, options);
  if (intact.ok()) return weights;
  if (intact.error().code() != ErrorCode::kCorrupt) return std::move(intact).error();
  statistics.reason = "damaged tensor";
  return std::unique_ptr<WeightsState>();
}

/// A callback that throws cancels, as in a load.
Status report_done(const ModelState& model, const LoadOptions& options) {
  if (!options.on_progress) return Ok{};
  try {
    options.on_progress({model.decoded_bytes, model.decoded_bytes});
    return Ok{};
  } catch (...) {
    return Error(ErrorCode::kCancelled, "cancelled by the progress callback");
  }
}

Result<std::unique_ptr<WeightsState>> expand_model(LoaderState& state, const ModelState& model,
                                                   const std::filesystem::path& path,
                                                   const ExpandOptions& options,
                                                   ExpandStatistics& statistics) {
  if (!path.has_filename()) {
    return Error(ErrorCode::kInvalidArgument,
                 text("expand: the path ", quote(path.native()), " names no file"));
  }
  QLOAD_TRY(const ExpandedLayout layout, lay_out_expanded(model));
  statistics.file_bytes = layout.file_bytes;
  QLOAD_TRY(auto existing, take_existing(model, layout, path, options, statistics));
  if (existing != nullptr) {
    QLOAD_CHECK(report_done(model, options.load));
    return existing;
  }
  statistics.built = true;
  QLOAD_TRY(const File file, write_expanded(state, model, layout, path, options, statistics));
  return map_expanded(model, layout, file);
}

}  // namespace

}  // namespace internal

Result<Weights> Loader::expand(const Model& model, const std::filesystem::path& path,
                               const ExpandOptions& options) {
  return internal::without_throwing([&]() -> Result<Weights> {
    const auto begin = std::chrono::steady_clock::now();
    ExpandStatistics own;
    ExpandStatistics& statistics = options.statistics != nullptr ? *options.statistics : own;
    statistics = {};
    auto weights = internal::expand_model(*state_, model.state(), path, options, statistics);
    statistics.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!weights.ok()) return std::move(weights).error();
    return Weights(std::move(weights).value());
  });
}

}  // namespace qload
