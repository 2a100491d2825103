// A suite whose tests share one packed model: packing is not what they are about.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "qload/model.h"
#include "tests/support/packed_model.h"
#include "tests/support/test_files.h"

namespace qload::test {

/// The loader fixture, packed before the first test of the suite and removed after its last.
class PackedModelSuite : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_directory_ = new TempDirectory();
    shared_model_ = new PackedModel(pack_loader_fixture(*shared_directory_));
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

  inline static TempDirectory* shared_directory_ = nullptr;
  inline static PackedModel* shared_model_ = nullptr;
  const PackedModel& packed_ = *shared_model_;
};

}  // namespace qload::test
