#include "bench/open/index_cost.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/cold_cache.h"
#include "bench/load/parallel.h"
#include "bench/load/process_memory.h"
#include "bench/open/many_tensors.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

// Models that are open at once when memory is measured. What packing has left with the allocator
// serves the first ones; only the second half is counted.
constexpr size_t kOpenModels = 8;
constexpr uint64_t kSeed = 2;

Result<std::vector<double>> resident_growth(const std::filesystem::path& path) {
  std::vector<Model> models;
  std::vector<double> growth;
  for (size_t number = 0; number < kOpenModels; ++number) {
    const uint64_t before = resident_bytes();
    QLOAD_TRY(Model model, Model::open(path));
    models.push_back(std::move(model));
    const uint64_t after = resident_bytes();
    if (number >= kOpenModels / 2) {
      growth.push_back(static_cast<double>(after) - static_cast<double>(before));
    }
  }
  return growth;
}

Status find_all(const Model& model, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const TensorInfo* tensor = model.find(name);
    if (tensor == nullptr || tensor->name != name) {
      return Error(ErrorCode::kCorrupt, text("wrong answer: no tensor ", quote(name)));
    }
  }
  return Ok{};
}

Status check_load(const Weights& weights, const std::vector<std::byte>& expected) {
  for (uint64_t number = 0; number * kTinyTensorBytes < expected.size(); ++number) {
    const std::string name = tiny_tensor_name(number);
    const TensorView* view = weights.find(name);
    if (view == nullptr || view->data.size() != kTinyTensorBytes ||
        std::memcmp(view->data.data(), expected.data() + number * kTinyTensorBytes,
                    kTinyTensorBytes) != 0) {
      return Error(ErrorCode::kCorrupt,
                   text("wrong answer: tensor ", quote(name), " differs from its source"));
    }
  }
  return Ok{};
}

Status measure_run(const std::filesystem::path& path, const std::vector<std::string>& names,
                   const std::vector<std::byte>& expected, const LoaderOptions& options,
                   IndexCost& cost) {
  const double start = now_seconds();
  QLOAD_TRY(const Model model, Model::open(path));
  cost.open_seconds.push_back(now_seconds() - start);
  const double find_start = now_seconds();
  QLOAD_CHECK(find_all(model, names));
  cost.find_seconds.push_back(now_seconds() - find_start);
  QLOAD_TRY(Loader loader, Loader::create(options));
  const double load_start = now_seconds();
  QLOAD_TRY(const Weights weights, loader.load(model));
  cost.load_seconds.push_back(now_seconds() - load_start);
  return check_load(weights, expected);
}

}  // namespace

Result<IndexCost> measure_index_cost(uint64_t tensor_count, uint32_t runs,
                                     const std::filesystem::path& scratch,
                                     const LoaderOptions& loader) {
  const std::filesystem::path plain = scratch / "many.safetensors";
  const std::filesystem::path packed = scratch / "many.qpk";
  QLOAD_TRY(const std::vector<std::byte> expected, write_many_tensors(plain, tensor_count));
  IndexCost cost{.tensor_count = tensor_count, .tensor_bytes = kTinyTensorBytes};
  {
    QLOAD_TRY(const ModelSource source, open_model_source(plain, OpenAs::kSafetensors));
    QLOAD_TRY(const PackReport report,
              pack_model(source, packed, {.threads = loader.decode_threads}));
    cost.pack_seconds = report.seconds;
    cost.container_bytes = report.container_bytes;
    QLOAD_TRY(File file, File::open(packed));
    QLOAD_TRY(const Container container, read_container(std::move(file)));
    cost.index_bytes = container.superblock.index_bytes;
  }
  std::vector<std::string> names;
  for (uint64_t number = 0; number < tensor_count; ++number) {
    names.push_back(tiny_tensor_name(number));
  }
  std::shuffle(names.begin(), names.end(), std::mt19937_64(kSeed));
  QLOAD_CHECK(fill_cache(std::span(&packed, 1)));
  QLOAD_TRY(cost.resident_bytes, resident_growth(packed));
  for (uint32_t run = 0; run < runs; ++run) {
    QLOAD_CHECK(measure_run(packed, names, expected, loader, cost));
  }
  return cost;
}

}  // namespace qload::bench
