// A suite whose tests share one packed mixture of experts.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "qload/cache.h"
#include "tests/support/expert_model.h"

namespace qload::test {

class ExpertSuite : public ::testing::Test {
 protected:
  static constexpr uint32_t kLayers = 8;
  static constexpr uint32_t kExperts = 64;
  /// Of one expert in memory: three tensors of 3000 bytes on 64 bytes, in whole blocks.
  static constexpr uint64_t kExpertBytes = 12288;
  static constexpr uint64_t kStagingBytes = 1u << 20;

  static void SetUpTestSuite() {
    shared_directory_ = new TempDirectory();
    shared_model_ = new PackedModel(
        pack_expert_model(*shared_directory_, {.layers = kLayers, .experts = kExperts}));
  }
  static void TearDownTestSuite() {
    delete shared_model_;
    delete shared_directory_;
  }
  static Model open() {
    auto model = Model::open(shared_model_->path);
    EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message());
    return std::move(model).value();
  }
  static LoaderOptions loader_options() {
    LoaderOptions options;
    options.decode_threads = 2;
    options.staging_bytes = kStagingBytes;
    options.ignore_cgroup = true;
    return options;
  }
  static Loader make_loader(const LoaderOptions& options = loader_options()) {
    auto loader = Loader::create(options);
    EXPECT_TRUE(loader.ok()) << (loader.ok() ? "" : loader.error().message());
    return std::move(loader).value();
  }
  /// Room for so many experts.
  static CacheOptions room_for(uint64_t experts) {
    CacheOptions options;
    options.budget_bytes = kStagingBytes + experts * kExpertBytes;
    return options;
  }
  static TensorCache make_cache(Loader& loader, const Model& model, const CacheOptions& options) {
    auto cache = loader.cache(model, options);
    EXPECT_TRUE(cache.ok()) << (cache.ok() ? "" : cache.error().message());
    return std::move(cache).value();
  }
  /// Every byte of every view is right.
  static bool right(std::span<const TensorView> views) {
    return std::ranges::all_of(views, [](const TensorView& view) {
      return std::ranges::equal(view.data, shared_model_->tensors.at(std::string(view.info->name)));
    });
  }
  static Status acquire(TensorCache& cache, uint32_t layer, uint32_t expert) {
    const auto names = expert_names(layer, expert);
    auto views = cache.acquire(as_views(names));
    if (!views.ok()) return views.error();
    EXPECT_EQ(views->size(), 3u);
    EXPECT_TRUE(right(*views)) << layer << " " << expert;
    return Ok{};
  }
  static void release(TensorCache& cache, uint32_t layer, uint32_t expert) {
    const auto names = expert_names(layer, expert);
    const Status released = cache.release(as_views(names));
    EXPECT_TRUE(released.ok()) << released.error().message();
  }
  static void use(TensorCache& cache, uint32_t layer, uint32_t expert) {
    const Status acquired = acquire(cache, layer, expert);
    ASSERT_TRUE(acquired.ok()) << acquired.error().message();
    release(cache, layer, expert);
  }

  inline static TempDirectory* shared_directory_ = nullptr;
  inline static PackedModel* shared_model_ = nullptr;
};

}  // namespace qload::test
