#include "qload/model.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

using testing::HasSubstr;

class ModelTest : public testing::Test {
 protected:
  void SetUp() override { write_container(path_, fixture_); }

  Model open(const ModelOptions& options = {}) {
    auto model = Model::open(path_, options);
    EXPECT_TRUE(model.ok()) << model.error().message();
    return std::move(model).value();
  }

  TempDirectory directory_;
  std::filesystem::path path_ = directory_ / "m.qpk";
  FixtureModel fixture_ = small_fixture_model();
};

TEST_F(ModelTest, TellsWhatTheIndexSays) {
  const Model model = open();
  ASSERT_EQ(model.tensors().size(), fixture_.tensors.size());
  uint64_t decoded_bytes = 0;
  for (size_t i = 0; i < fixture_.tensors.size(); ++i) {
    const FixtureTensor& expected = fixture_.tensors[i];
    const TensorInfo& info = model.tensors()[i];
    EXPECT_EQ(info.name, expected.name);
    EXPECT_EQ(info.bytes, expected.data.size());
    EXPECT_THAT(info.shape, testing::ElementsAreArray(expected.shape));
    EXPECT_EQ(info.dtype, expected.dtype);
    EXPECT_EQ(info.layer, expected.layer);
    EXPECT_EQ(info.stack, expected.stack);
    EXPECT_EQ(info.file, 0u);
    EXPECT_EQ(info.digest.algorithm, 1u);
    EXPECT_LE(info.stored_bytes, info.bytes);
    EXPECT_EQ(model.find(expected.name), &info);
    decoded_bytes += info.bytes;
  }
  EXPECT_LT(model.tensors()[0].stored_bytes, model.tensors()[0].bytes * 8 / 10);
  EXPECT_EQ(model.decoded_bytes(), decoded_bytes);
  EXPECT_EQ(model.stored_bytes(), std::filesystem::file_size(path_));
  EXPECT_EQ(model.layer_count(), 2u);
  EXPECT_EQ(model.digest().algorithm, 1u);
  EXPECT_EQ(model.find("layers.2.up"), nullptr);
  EXPECT_EQ(model.find(""), nullptr);
}

TEST_F(ModelTest, KeepsTheSourceHeader) {
  const Model model = open();
  ASSERT_EQ(model.files().size(), 1u);
  EXPECT_EQ(model.files()[0].path, "model.safetensors");
  EXPECT_EQ(model.files()[0].format, "safetensors");
  EXPECT_EQ(model.files()[0].bytes, model.decoded_bytes() + fixture_.header.size());
  EXPECT_EQ(model.files()[0].header_bytes, fixture_.header.size());
  auto header = model.read_header(0);
  ASSERT_TRUE(header.ok()) << header.error().message();
  EXPECT_EQ(*header, fixture_.header);
  auto absent = model.read_header(1);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(ModelTest, OpensInsideAnotherFile) {
  const auto container = read_file(path_);
  auto outer = random_bytes(777, 1);
  outer.insert(outer.end(), container.begin(), container.end());
  const auto tail = random_bytes(333, 2);
  outer.insert(outer.end(), tail.begin(), tail.end());
  write_file(directory_ / "outer", outer);
  const int descriptor = ::open((directory_ / "outer").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  auto model = Model::open_descriptor(descriptor, 777, container.size());
  auto wrong = Model::open_descriptor(descriptor, 776, container.size());
  ::close(descriptor);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->tensors().size(), fixture_.tensors.size());
  EXPECT_EQ(*model->read_header(0), fixture_.header) << "the descriptor was duplicated";
  ASSERT_FALSE(wrong.ok());

  const int whole = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(whole, 0);
  EXPECT_TRUE(Model::open_descriptor(whole, 0, 0).ok()) << "0: to the end of the file";
  ::close(whole);
}

TEST_F(ModelTest, RefusesAModelThatIsNotTheDemandedOne) {
  ModelOptions options;
  options.expected_digest = open().digest();
  EXPECT_TRUE(Model::open(path_, options).ok());
  options.expected_digest.bytes[3] ^= 1;
  auto refused = Model::open(path_, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUntrusted);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("algorithm 1, "));
  options.expected_digest.algorithm = 2;
  EXPECT_EQ(Model::open(path_, options).error().code(), ErrorCode::kUntrusted);
}

TEST_F(ModelTest, RefusesAModelThatDecodesToTooMuch) {
  ModelOptions options;
  options.decoded_bytes_max = open().decoded_bytes();
  EXPECT_TRUE(Model::open(path_, options).ok());
  --options.decoded_bytes_max;
  auto refused = Model::open(path_, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
}

TEST_F(ModelTest, RefusesWhatIsNoContainer) {
  EXPECT_EQ(Model::open(directory_ / "absent").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Model::open_descriptor(-1, 0, 0).error().code(), ErrorCode::kIo);
  write_file(directory_ / "text", "not a container");
  EXPECT_FALSE(Model::open(directory_ / "text").ok());
  auto torn = read_file(path_);
  torn.pop_back();
  write_file(directory_ / "torn", torn);
  EXPECT_EQ(Model::open(directory_ / "torn").error().code(), ErrorCode::kCorrupt);
}

TEST_F(ModelTest, MovesWithItsViews) {
  Model model = open();
  const TensorInfo* info = model.find("norm");
  Model moved = std::move(model);
  EXPECT_EQ(moved.find("norm"), info);
  EXPECT_EQ(info->name, "norm");
}

TEST(Names, OfEnumerators) {
  EXPECT_STREQ(io_backend_name(IoBackend::kUring), "uring");
  EXPECT_STREQ(io_backend_name(IoBackend::kPread), "pread");
  EXPECT_STREQ(io_backend_name(static_cast<IoBackend>(9)), "unknown");
  EXPECT_STREQ(load_stage_name(LoadStage::kStorage), "storage");
  EXPECT_STREQ(load_stage_name(LoadStage::kDestination), "destination");
  EXPECT_STREQ(load_stage_name(static_cast<LoadStage>(9)), "unknown");
}

}  // namespace
}  // namespace qload::test
