#include "bench/recipes/recipes_benchmark.h"

#include <algorithm>
#include <utility>

#include "bench/load/progress_line.h"
#include "bench/load/scratch_directory.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "format/pack/restore.h"

namespace qload::bench {
namespace {

Result<std::vector<const PackingRecipe*>> choose_recipes(const std::vector<std::string>& names) {
  std::vector<const PackingRecipe*> chosen;
  for (const std::string& name : names) {
    if (std::ranges::find(all_packing_recipes(), name, &PackingRecipe::name) ==
        all_packing_recipes().end()) {
      return Error(ErrorCode::kInvalidArgument, text("there is no recipe ", quote(name)));
    }
  }
  for (const PackingRecipe& recipe : all_packing_recipes()) {
    if (names.empty() || std::ranges::find(names, recipe.name) != names.end()) {
      chosen.push_back(&recipe);
    }
  }
  return chosen;
}

/// What stays the same while one model is packed.
struct ModelBench {
  const ModelSource& source;
  const RecipesBenchmarkOptions& options;
  const std::filesystem::path container;
  std::optional<Digest> digest = std::nullopt;  // Of the first recipe's container.
};

/// Every checksum and digest, and the same model whatever the recipe. pack_model has compared each
/// chunk with the source.
Status check_container(ModelBench& bench, const Container& container) {
  QLOAD_CHECK(verify_container(container, {.threads = bench.options.pack_threads}, {}, {}));
  const Digest digest = to_digest(container.superblock.model_digest);
  if (!bench.digest) bench.digest = digest;
  if (*bench.digest == digest) return Ok{};
  return Error(ErrorCode::kCorrupt, "the model's digest depends on the recipe");
}

Result<PackedForm> pack_form(ModelBench& bench, const PackingRecipe& recipe) {
  PackOptions pack = recipe.options;
  pack.threads = bench.options.pack_threads;
  pack.overwrite = true;
  QLOAD_TRY(const PackReport packed, pack_model(bench.source, bench.container, pack));
  QLOAD_TRY(File file, File::open(bench.container));
  QLOAD_TRY(const Container container, read_container(std::move(file)));
  QLOAD_CHECK(check_container(bench, container));

  PackedForm form{
      .recipe = &recipe, .container_bytes = packed.container_bytes, .pack_seconds = packed.seconds};
  TargetDevice device = mid_device();
  device.decode_threads = bench.options.decode_threads;
  for (const ChunkRecord& chunk : container.index.chunks()) {
    form.chunk_bytes += chunk.stored_bytes;
    form.decode_seconds += decode_seconds(device, container.index.form(chunk));
  }
  for (const double rate : bench.options.storage_rates) {
    device.storage_bytes_per_second = rate;
    form.load_seconds.push_back(
        modelled_load_seconds(device, {form.container_bytes, form.decode_seconds}));
  }
  return form;
}

}  // namespace

Result<std::vector<std::filesystem::path>> list_models(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> models;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto extension = entry->path().extension();
    if (extension == ".safetensors" || extension == ".gguf") models.push_back(entry->path());
  }
  if (error) return Error(ErrorCode::kIo, text(quote(directory.string()), ": ", error.message()));
  std::ranges::sort(models);
  return models;
}

Result<RecipesReport> run_recipes_benchmark(const RecipesBenchmarkOptions& options,
                                            const RecipesBenchmarkEvents& events,
                                            InterruptGuard& interrupts) {
  QLOAD_TRY(const auto recipes, choose_recipes(options.recipes));
  if (options.models.empty()) {
    return Error(ErrorCode::kInvalidArgument, "there is no model to pack");
  }
  std::error_code error;
  const auto parent =
      options.scratch.empty() ? std::filesystem::temp_directory_path(error) : options.scratch;
  QLOAD_TRY(const ScratchDirectory scratch, ScratchDirectory::create(parent, interrupts));
  RecipesReport report{.machine = describe_machine(scratch.path()),
                       .device = mid_device(),
                       .storage_rates = options.storage_rates};
  report.device.decode_threads = options.decode_threads;
  if (events.on_start) events.on_start(report);
  ProgressLine progress;
  for (const std::filesystem::path& path : options.models) {
    QLOAD_TRY(const ModelSource source, open_model_source(path, OpenAs::kDetect));
    ModelForms model{.name = path.filename().string(),
                     .source_bytes = source.bytes(),
                     .tensor_count = source.tensors().size()};
    ModelBench bench{source, options, scratch.path() / "model.qpk"};
    for (const PackingRecipe* recipe : recipes) {
      progress.show(text(model.name, ": ", recipe->name));
      auto form = pack_form(bench, *recipe);
      if (!form.ok()) return form.error().at(recipe->name).at(path.string());
      model.forms.push_back(std::move(*form));
    }
    report.models.push_back(std::move(model));
    if (events.on_model) events.on_model(report);
  }
  return report;
}

}  // namespace qload::bench
