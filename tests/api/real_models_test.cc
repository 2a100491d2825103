// Every real model there is: packed, then loaded through the C++ and the C API, each tensor equal
// to its bytes in the source file.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "qload/c.h"
#include "qload/loader.h"
#include "qload/packed.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> real_models(const fs::path& directory) {
  std::vector<fs::path> models;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const auto extension = entry.path().extension();
    if (extension == ".safetensors" || extension == ".gguf") models.push_back(entry.path());
  }
  std::sort(models.begin(), models.end());
  return models;
}

std::vector<std::byte> source_bytes(const ModelSource& source, const SourceTensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes);
  EXPECT_TRUE(source.read(tensor.file, tensor.offset, bytes).ok()) << tensor.name;
  return bytes;
}

void expect_cpp_load(const fs::path& packed, const ModelSource& source) {
  auto model = Model::open(packed);
  ASSERT_TRUE(model.ok()) << model.error().message();
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok()) << loader.error().message();
  auto weights = loader->load(*model);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  ASSERT_EQ(weights->tensors().size(), source.tensors().size());
  for (const SourceTensor& tensor : source.tensors()) {
    const TensorView* view = weights->find(tensor.name);
    ASSERT_NE(view, nullptr) << tensor.name;
    EXPECT_EQ(view->info->dtype, tensor.dtype) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(view->info->shape, tensor.shape)) << tensor.name;
    ASSERT_TRUE(std::ranges::equal(view->data, source_bytes(source, tensor))) << tensor.name;
  }
}

void expect_c_load(const fs::path& packed, const ModelSource& source) {
  qload_error error = {};
  qload_loader* loader = nullptr;
  qload_model* model = nullptr;
  qload_weights* weights = nullptr;
  EXPECT_EQ(qload_loader_open(nullptr, &loader, &error), 0) << error.message;
  EXPECT_EQ(qload_model_open(packed.c_str(), nullptr, &model, &error), 0) << error.message;
  EXPECT_EQ(qload_load(loader, model, nullptr, 0, nullptr, &weights, &error), 0) << error.message;
  if (weights != nullptr) {
    EXPECT_EQ(qload_weights_tensors(weights, nullptr, 0), source.tensors().size());
    for (const SourceTensor& tensor : source.tensors()) {
      qload_tensor found = {};
      found.struct_bytes = sizeof found;
      ASSERT_EQ(qload_weights_find(weights, tensor.name.c_str(), &found), 0) << tensor.name;
      const auto expected = source_bytes(source, tensor);
      ASSERT_EQ(found.bytes, expected.size()) << tensor.name;
      const auto* data = static_cast<const std::byte*>(found.data);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), data)) << tensor.name;
    }
  }
  qload_weights_close(weights);
  qload_model_close(model);
  qload_loader_close(loader);
}

/// Kept packed, every tensor's rows are the source's bytes.
void expect_packed_rows(const fs::path& packed_path, const ModelSource& source) {
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  auto model = Model::open(packed_path);
  ASSERT_TRUE(model.ok()) << model.error().message();
  auto packed = loader->load_packed(*model);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  for (const SourceTensor& tensor : source.tensors()) {
    auto cursor = RowCursor::open(*packed, tensor.name);
    ASSERT_TRUE(cursor.ok()) << cursor.error().message();
    const auto expected = source_bytes(source, tensor);
    ASSERT_EQ(cursor->rows() * cursor->row_bytes(), expected.size()) << tensor.name;
    while (cursor->next_row() < cursor->rows()) {
      const auto view = cursor->next_rows(5);
      ASSERT_TRUE(view.ok()) << view.error().message();
      const auto from = std::span(expected).subspan(view->first_row * cursor->row_bytes());
      ASSERT_TRUE(std::equal(view->data.begin(), view->data.end(), from.begin())) << tensor.name;
    }
  }
}

TEST(RealModels, LoadThroughBothApis) {
  const auto directory = models_directory();
  if (!directory) GTEST_SKIP() << kNoModels;
  const auto models = real_models(*directory);
  ASSERT_FALSE(models.empty());
  const TempDirectory scratch;
  for (const fs::path& path : models) {
    SCOPED_TRACE(path.filename().string());
    auto source = open_model_source(path, OpenAs::kDetect);
    ASSERT_TRUE(source.ok()) << source.error().message();
    const fs::path packed = scratch / "model.qpk";
    PackOptions options;
    options.overwrite = true;
    auto report = pack_model(*source, packed, options);
    ASSERT_TRUE(report.ok()) << report.error().message();
    expect_cpp_load(packed, *source);
    expect_c_load(packed, *source);
    expect_packed_rows(packed, *source);
  }
}

}  // namespace
}  // namespace qload::test
