#include "bench/open/open_benchmark.h"

#include <algorithm>
#include <string>
#include <utility>

#include "bench/load/parallel.h"
#include "bench/load/progress_line.h"
#include "bench/load/round_order.h"
#include "bench/load/run_setting.h"
#include "bench/load/scratch_directory.h"
#include "bench/open/index_cost.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/container_reader.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

// A tensor that a user would call a weight: what comes before it may be a scale of four bytes.
constexpr uint64_t kWeightBytesMin = 1u << 20;

// The first tensor of the load order, the first large one, and a small one: of those whose names
// speak of a norm, else of all, the one with the fewest bytes. Empty tensors do not count.
Result<std::vector<std::string>> choose_tensors(const Model& model) {
  const TensorInfo* first = nullptr;
  const TensorInfo* weight = nullptr;
  const TensorInfo* small = nullptr;
  const auto is_norm = [](const TensorInfo& tensor) {
    return tensor.name.find("norm") != std::string_view::npos;
  };
  for (const TensorInfo& tensor : model.tensors()) {
    if (tensor.bytes == 0) continue;
    if (first == nullptr) first = &tensor;
    if (weight == nullptr && tensor.bytes >= kWeightBytesMin) weight = &tensor;
    const bool better = small == nullptr || (is_norm(tensor) && !is_norm(*small)) ||
                        (is_norm(tensor) == is_norm(*small) && tensor.bytes < small->bytes);
    if (better) small = &tensor;
  }
  if (first == nullptr) return Error(ErrorCode::kInvalidArgument, "no tensor has any bytes");
  std::vector<std::string> names;
  for (const TensorInfo* tensor : {first, weight, small}) {
    if (tensor == nullptr || std::ranges::find(names, tensor->name) != names.end()) continue;
    names.emplace_back(tensor->name);
  }
  return names;
}

Result<OpenedModel> describe_model(const std::filesystem::path& path) {
  QLOAD_TRY(const Model model, Model::open(path));
  QLOAD_TRY(File file, File::open(path));
  QLOAD_TRY(const Container container, read_container(std::move(file)));
  OpenedModel opened{.name = path.filename().string(),
                     .tensor_count = model.tensors().size(),
                     .container_bytes = model.stored_bytes(),
                     .index_bytes = container.superblock.index_bytes};
  QLOAD_TRY(const std::vector<std::string> names, choose_tensors(model));
  for (const bool cold : {true, false}) {
    for (const std::string& name : names) {
      opened.results.push_back(
          {.cold = cold, .tensor = name, .tensor_bytes = model.find(name)->bytes, .runs = {}});
    }
  }
  return opened;
}

Result<OpenSample> open_and_load(const std::filesystem::path& path, const OpenResult& result,
                                 const OpenOptions& options) {
  const std::span files(&path, 1);
  QLOAD_CHECK(settle_memory(result.tensor_bytes + options.loader.staging_bytes,
                            options.loader.decode_threads));
  QLOAD_CHECK(result.cold ? drop_cached(files, options.cold_method) : fill_cache(files));
  OpenSample sample;
  QLOAD_TRY(sample.cached_share, cached_share(files));

  const double start = now_seconds();
  QLOAD_TRY(const Model model, Model::open(path));
  const double opened = now_seconds();
  QLOAD_TRY(Loader loader, Loader::create(options.loader));
  const double created = now_seconds();
  const std::string_view name = result.tensor;
  QLOAD_TRY(const Weights weights, loader.load(model, std::span(&name, 1)));
  const double loaded = now_seconds();

  sample.open_seconds = opened - start;
  sample.create_seconds = created - opened;
  sample.load_seconds = loaded - created;
  const TensorView* view = weights.find(name);
  if (view == nullptr || digest_of(view->data) != view->info->digest) {
    return Error(ErrorCode::kCorrupt,
                 text("wrong answer: tensor ", quote(name), " does not have its digest"));
  }
  return sample;
}

Result<OpenedModel> measure_model(const std::filesystem::path& path, const OpenOptions& options,
                                  ProgressLine& progress) {
  QLOAD_TRY(OpenedModel model, describe_model(path));
  for (uint32_t round = 0; round < options.runs; ++round) {
    progress.show(text(model.name, " ", round + 1, "/", options.runs));
    for (const size_t number : order_of_round(model.results.size(), round)) {
      OpenResult& result = model.results[number];
      QLOAD_TRY(const OpenSample sample, open_and_load(path, result, options));
      result.runs.push_back(sample);
    }
  }
  return model;
}

}  // namespace

Result<OpenReport> run_open_benchmark(const OpenOptions& options, InterruptGuard& interrupts) {
  for (const std::filesystem::path& path : options.models) QLOAD_CHECK(require_model(path));
  std::error_code error;
  const std::filesystem::path parent =
      options.scratch.empty() ? std::filesystem::temp_directory_path(error) : options.scratch;
  OpenReport report{
      .machine = describe_machine(options.models.empty() ? parent : options.models.front()),
      .runs = options.runs,
      .threads = options.loader.decode_threads,
      .cold_method = options.cold_method == ColdMethod::kAdvise
                         ? "posix_fadvise(DONTNEED), checked by mincore"
                         : "posix_fadvise(DONTNEED) and drop_caches, checked by mincore"};
  ProgressLine progress;
  for (const std::filesystem::path& path : options.models) {
    auto model = measure_model(path, options, progress);
    if (!model) return model.error().at(path.string());
    report.models.push_back(std::move(*model));
  }
  if (options.tensors > 0) {
    progress.show(text(options.tensors, " tensors"));
    QLOAD_TRY(const ScratchDirectory scratch, ScratchDirectory::create(parent, interrupts));
    QLOAD_TRY(report.index_cost,
              measure_index_cost(options.tensors, options.runs, scratch.path(), options.loader));
  }
  return report;
}

}  // namespace qload::bench
