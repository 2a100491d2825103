// A suite over one layered model, which is written once.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "qload/loader.h"
#include "tests/support/layered_model.h"

namespace qload::test {

inline constexpr uint64_t kStagingBytes = 4u << 20;

class LayeredModelSuite : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDirectory();
    packed_ = new PackedModel(write_layered_model(*directory_));
  }
  static void TearDownTestSuite() {
    delete packed_;
    delete directory_;
  }
  LayeredModelSuite() : model_(Model::open(packed_->path).value()) {}

  Loader make_loader(LoaderOptions options = {}) {
    options.staging_bytes = kStagingBytes;
    options.decode_threads = 2;
    return Loader::create(options).value();
  }

  /// Runs a stream to its end and checks every byte; returns the names that came in each pass.
  static std::vector<std::multiset<std::string>> run_through(LayerStream& stream) {
    std::vector<std::multiset<std::string>> passes;
    uint32_t last_group = 0;
    while (!stream.done()) {
      auto layer = stream.next();
      EXPECT_TRUE(layer.ok()) << (layer.ok() ? "" : layer.error().message());
      if (!layer.ok()) break;
      expect_layer(*layer, *packed_);
      if (layer->pass() >= passes.size()) {
        passes.emplace_back();
        last_group = 0;
      }
      EXPECT_GE(layer->group(), last_group);
      last_group = layer->group();
      for (const LayerTensor& tensor : layer->tensors()) {
        if (tensor.offset == 0) passes.back().insert(std::string(tensor.info->name));
      }
    }
    return passes;
  }

  std::multiset<std::string> all_names() const {
    std::multiset<std::string> names;
    for (const auto& [name, bytes] : packed_->tensors) names.insert(name);
    return names;
  }

  inline static TempDirectory* directory_ = nullptr;
  inline static PackedModel* packed_ = nullptr;
  Model model_;
};

}  // namespace qload::test
