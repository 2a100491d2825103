// What c_api_program.c does not show: wrong arguments, odd struct sizes, hooks that refuse.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "qload/c.h"
#include "qload/tensor.h"
#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

using testing::HasSubstr;

struct Close {
  void operator()(qload_loader* loader) const { qload_loader_close(loader); }
  void operator()(qload_model* model) const { qload_model_close(model); }
  void operator()(qload_weights* weights) const { qload_weights_close(weights); }
};

/// An array of qload_tensor as a caller of another version has it, each of `stride` bytes.
class TensorArray {
 public:
  TensorArray(size_t count, size_t stride, unsigned char fill = 0xAB)
      : stride_(stride), bytes_(count * stride, fill) {
    for (size_t i = 0; i < count; ++i) set_struct_bytes(i, stride);
  }
  void set_struct_bytes(size_t i, size_t value) {
    std::memcpy(bytes_.data() + i * stride_, &value, sizeof value);
  }
  qload_tensor* data() { return reinterpret_cast<qload_tensor*>(bytes_.data()); }
  unsigned char* at(size_t i) { return bytes_.data() + i * stride_; }
  /// Element i as this version sees it; bytes beyond the stride are zero.
  qload_tensor get(size_t i) const {
    qload_tensor tensor = {};
    std::memcpy(&tensor, bytes_.data() + i * stride_, std::min(stride_, sizeof tensor));
    return tensor;
  }
  void set(size_t i, const qload_tensor& tensor) {
    std::memcpy(bytes_.data() + i * stride_, &tensor, std::min(stride_, sizeof tensor));
    set_struct_bytes(i, stride_);
  }

 private:
  size_t stride_;
  std::vector<unsigned char> bytes_;
};

class CApiTest : public testing::Test {
 protected:
  void SetUp() override {
    write_container(path_, fixture_);
    qload_model* model = nullptr;
    ASSERT_EQ(qload_model_open(path_.c_str(), nullptr, &model, &error_), QLOAD_OK)
        << error_.message;
    model_.reset(model);
    qload_loader* loader = nullptr;
    ASSERT_EQ(qload_loader_open(nullptr, &loader, &error_), QLOAD_OK) << error_.message;
    loader_.reset(loader);
  }

  int load(const qload_load_options* options) {
    qload_weights* weights = nullptr;
    const int code =
        qload_load(loader_.get(), model_.get(), nullptr, 0, options, &weights, &error_);
    weights_.reset(weights);
    return code;
  }
  qload_load_options load_options() {
    qload_load_options options = {};
    options.struct_bytes = sizeof options;
    return options;
  }

  TempDirectory directory_;
  std::filesystem::path path_ = directory_ / "m.qpk";
  FixtureModel fixture_ = small_fixture_model();
  qload_error error_ = {};
  std::unique_ptr<qload_loader, Close> loader_;
  std::unique_ptr<qload_model, Close> model_;
  std::unique_ptr<qload_weights, Close> weights_;
};

TEST(CApiNames, AreStrings) {
  EXPECT_STREQ(qload_version(), QLOAD_VERSION_STRING);
  EXPECT_STREQ(qload_error_name(QLOAD_OK), "ok");
  for (int32_t code : {1, 2, 3, 4, 5, 6, 10, 11, 20, 30, 31}) {
    EXPECT_EQ(std::string(qload_error_name(code)), error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_NE(qload_error_name(999), nullptr);
  for (const DTypeInfo& info : all_dtypes()) {
    const char* name = qload_dtype_name(static_cast<uint32_t>(info.dtype));
    ASSERT_NE(name, nullptr);
    EXPECT_EQ(std::string(name), info.name);
  }
  EXPECT_EQ(qload_dtype_name(0), nullptr);
  EXPECT_EQ(qload_dtype_name(65536 + static_cast<uint32_t>(DType::kF32)), nullptr);
}

TEST_F(CApiTest, NullArgumentsAreNamed) {
  qload_model* model = nullptr;
  qload_loader* loader = loader_.get();
  qload_weights* weights = nullptr;
  qload_model_info info = {};
  info.struct_bytes = sizeof info;
  qload_source_file file = {};
  file.struct_bytes = sizeof file;
  uint64_t bytes = 0;
  char byte = 0;
  const char* names[] = {"norm", nullptr};
  auto refused = [this](int code, std::string_view name) {
    EXPECT_EQ(code, QLOAD_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(error_.code, QLOAD_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(error_.message), std::string(name) + " is NULL");
  };
  refused(qload_loader_open(nullptr, nullptr, &error_), "loader");
  refused(qload_model_open(nullptr, nullptr, &model, &error_), "path");
  refused(qload_model_open("x", nullptr, nullptr, &error_), "model");
  refused(qload_model_open_fd(0, 0, 0, nullptr, nullptr, &error_), "model");
  refused(qload_model_get_info(nullptr, &info, &error_), "model");
  refused(qload_model_get_info(model_.get(), nullptr, &error_), "info");
  refused(qload_model_file(nullptr, 0, &file, &error_), "model");
  refused(qload_model_file(model_.get(), 0, nullptr, &error_), "out");
  refused(qload_model_read_header(nullptr, 0, &byte, 1, &bytes, &error_), "model");
  refused(qload_model_read_header(model_.get(), 0, nullptr, 1, &bytes, &error_), "buffer");
  refused(qload_model_read_header(model_.get(), 0, &byte, 1, nullptr, &error_), "bytes");
  refused(qload_load(nullptr, model_.get(), nullptr, 0, nullptr, &weights, &error_), "loader");
  refused(qload_load(loader, nullptr, nullptr, 0, nullptr, &weights, &error_), "model");
  refused(qload_load(loader, model_.get(), nullptr, 0, nullptr, nullptr, &error_), "weights");
  refused(qload_load(loader, model_.get(), nullptr, 2, nullptr, &weights, &error_), "names");
  refused(qload_load(loader, model_.get(), names, 2, nullptr, &weights, &error_), "names[1]");
  refused(qload_load_into(loader, model_.get(), nullptr, 1, nullptr, &error_), "destinations");
  EXPECT_EQ(qload_model_open(nullptr, nullptr, &model, nullptr), QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(qload_model_tensors(nullptr, nullptr, 0), 0u);
  EXPECT_EQ(qload_weights_tensors(nullptr, nullptr, 0), 0u);
  qload_tensor tensor = {};
  tensor.struct_bytes = sizeof tensor;
  EXPECT_EQ(qload_model_find(model_.get(), nullptr, &tensor), QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(qload_model_find(model_.get(), "norm", nullptr), QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(qload_weights_find(nullptr, "norm", &tensor), QLOAD_ERROR_INVALID_ARGUMENT);
}

TEST_F(CApiTest, OpensByDescriptor) {
  const auto container = read_file(path_);
  auto outer = random_bytes(100, 1);
  outer.insert(outer.end(), container.begin(), container.end());
  outer.push_back(std::byte{1});
  write_file(directory_ / "outer", outer);
  const int descriptor = ::open((directory_ / "outer").c_str(), O_RDONLY | O_CLOEXEC);
  qload_model* model = nullptr;
  EXPECT_EQ(qload_model_open_fd(descriptor, 100, container.size(), nullptr, &model, &error_),
            QLOAD_OK)
      << error_.message;
  ::close(descriptor);
  model_.reset(model);
  EXPECT_EQ(load(nullptr), QLOAD_OK) << error_.message;
  qload_tensor tensor = {};
  tensor.struct_bytes = sizeof tensor;
  ASSERT_EQ(qload_weights_find(weights_.get(), "layers.1.down", &tensor), QLOAD_OK);
  const auto& expected = fixture_.tensors[4].data;
  ASSERT_EQ(tensor.bytes, expected.size());
  EXPECT_EQ(std::memcmp(tensor.data, expected.data(), expected.size()), 0);
}

TEST_F(CApiTest, ModelOptionsReachTheCheck) {
  qload_model_options options = {};
  options.struct_bytes = sizeof options;
  qload_model* model = nullptr;
  options.decoded_bytes_max = 1000;
  EXPECT_EQ(qload_model_open(path_.c_str(), &options, &model, &error_), QLOAD_ERROR_UNSUPPORTED);
  options.decoded_bytes_max = 0;
  options.expected_digest.algorithm = 1;
  EXPECT_EQ(qload_model_open(path_.c_str(), &options, &model, &error_), QLOAD_ERROR_UNTRUSTED);
  EXPECT_EQ(model, nullptr);
  options.struct_bytes = offsetof(qload_model_options, expected_digest);
  EXPECT_EQ(qload_model_open(path_.c_str(), &options, &model, &error_), QLOAD_OK)
      << "an older caller has no digest: " << error_.message;
  qload_model_close(model);
  options.struct_bytes = 0;
  EXPECT_EQ(qload_model_open(path_.c_str(), &options, &model, &error_),
            QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_THAT(error_.message, HasSubstr("qload_model_options.struct_bytes is 0"));
}

TEST_F(CApiTest, TensorArraysHaveTheCallersStride) {
  const size_t count = fixture_.tensors.size();
  for (size_t stride : {sizeof(qload_tensor), sizeof(qload_tensor) + 24,
                        offsetof(qload_tensor, shape), sizeof(size_t) + sizeof(char*)}) {
    TensorArray out(count + 1, stride);
    EXPECT_EQ(qload_model_tensors(model_.get(), out.data(), count + 1), count);
    for (size_t i = 0; i < count; ++i) {
      const qload_tensor tensor = out.get(i);
      EXPECT_EQ(tensor.struct_bytes, stride);
      EXPECT_EQ(tensor.name, fixture_.tensors[i].name);
      if (stride < sizeof tensor) continue;
      EXPECT_EQ(tensor.bytes, fixture_.tensors[i].data.size());
      EXPECT_EQ(tensor.rank, fixture_.tensors[i].shape.size());
      for (uint32_t d = 0; d < tensor.rank; ++d) {
        EXPECT_EQ(tensor.shape[d], fixture_.tensors[i].shape[d]);
      }
      for (size_t at = sizeof tensor; at < stride; ++at) EXPECT_EQ(out.at(i)[at], 0);
    }
    EXPECT_EQ(out.at(count)[stride - 1], 0xAB) << "no element beyond the last is written";
  }
}

TEST_F(CApiTest, TensorArraysKeepToCapacity) {
  TensorArray out(3, sizeof(qload_tensor));
  EXPECT_EQ(qload_model_tensors(model_.get(), out.data(), 2), fixture_.tensors.size());
  EXPECT_STREQ(out.get(1).name, "layers.0.up");
  EXPECT_EQ(out.at(2)[sizeof(size_t)], 0xAB);
  out.set_struct_bytes(0, 0);
  EXPECT_EQ(qload_model_tensors(model_.get(), out.data(), 2), 0u) << "nothing can be written";
  EXPECT_EQ(qload_model_tensors(model_.get(), out.data(), 0), fixture_.tensors.size());
}

TEST_F(CApiTest, HeaderNeedsRoom) {
  uint64_t bytes = 0;
  std::vector<char> buffer(fixture_.header.size());
  EXPECT_EQ(
      qload_model_read_header(model_.get(), 0, buffer.data(), buffer.size() - 1, &bytes, &error_),
      QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(bytes, buffer.size()) << "tells what it takes";
  EXPECT_EQ(qload_model_read_header(model_.get(), 0, buffer.data(), buffer.size(), &bytes, &error_),
            QLOAD_OK);
  EXPECT_EQ(std::memcmp(buffer.data(), fixture_.header.data(), buffer.size()), 0);
  EXPECT_EQ(qload_model_read_header(model_.get(), 1, buffer.data(), buffer.size(), &bytes, &error_),
            QLOAD_ERROR_INVALID_ARGUMENT);
}

TEST_F(CApiTest, StatisticsKeepToTheCallersSize) {
  struct {
    qload_statistics known;
    uint64_t newer;
  } statistics = {{}, 5};
  auto options = load_options();
  options.statistics = &statistics.known;
  EXPECT_EQ(load(&options), QLOAD_ERROR_INVALID_ARGUMENT) << "struct_bytes 0";
  EXPECT_THAT(error_.message, HasSubstr("qload_statistics.struct_bytes"));

  statistics.known.struct_bytes = offsetof(qload_statistics, bytes_stored);
  statistics.known.bytes_stored = 77;
  ASSERT_EQ(load(&options), QLOAD_OK) << error_.message;
  EXPECT_GT(statistics.known.bytes_decoded, 0u);
  EXPECT_EQ(statistics.known.bytes_stored, 77u);

  statistics.known.struct_bytes = sizeof statistics;
  ASSERT_EQ(load(&options), QLOAD_OK) << error_.message;
  EXPECT_GT(statistics.known.bytes_stored, 77u);
  EXPECT_EQ(statistics.newer, 0u);
  EXPECT_EQ(statistics.known.struct_bytes, sizeof statistics);
}

void* refuse(void* context, size_t, size_t) {
  ++*static_cast<int*>(context);
  return nullptr;
}
void never_released(void*, void*, size_t) { ADD_FAILURE() << "nothing was allocated"; }

TEST_F(CApiTest, AllocatorThatRefusesIsOutOfMemory) {
  int calls = 0;
  auto options = load_options();
  options.allocator = {refuse, never_released, &calls, 0, 0};
  EXPECT_EQ(load(&options), QLOAD_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(weights_, nullptr);
}

TEST_F(CApiTest, DestinationsOfAnotherVersion) {
  const FixtureTensor& expected = fixture_.tensors[2];
  std::vector<std::byte> memory(expected.data.size());
  qload_tensor wanted = {};
  wanted.name = expected.name.c_str();
  wanted.data = memory.data();
  wanted.bytes = memory.size();
  constexpr size_t kLeast = offsetof(qload_tensor, bytes) + sizeof wanted.bytes;
  for (size_t stride : {sizeof wanted, sizeof wanted + 16, kLeast}) {
    std::fill(memory.begin(), memory.end(), std::byte{0});
    TensorArray in(1, stride, 0);
    in.set(0, wanted);
    ASSERT_EQ(qload_load_into(loader_.get(), model_.get(), in.data(), 1, nullptr, &error_),
              QLOAD_OK)
        << error_.message;
    EXPECT_EQ(memory, expected.data);
  }
  TensorArray less(1, kLeast - 1, 0);
  less.set(0, wanted);
  EXPECT_EQ(qload_load_into(loader_.get(), model_.get(), less.data(), 1, nullptr, &error_),
            QLOAD_ERROR_INVALID_ARGUMENT);
  TensorArray newer(1, sizeof wanted + 16, 0xFF);
  newer.set(0, wanted);
  EXPECT_EQ(qload_load_into(loader_.get(), model_.get(), newer.data(), 1, nullptr, &error_),
            QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_THAT(error_.message, HasSubstr("destinations[0]"));
}

TEST_F(CApiTest, DestinationsThatCannotBe) {
  std::vector<std::byte> memory(4096);
  TensorArray in(2, sizeof(qload_tensor), 0);
  qload_tensor wanted = {};
  wanted.name = "norm";
  wanted.data = memory.data();
  wanted.bytes = 256;
  in.set(0, wanted);
  wanted.name = "zero";
  wanted.data = memory.data() + 256;
  wanted.bytes = 1000;
  in.set(1, wanted);
  auto load_into = [&] {
    return qload_load_into(loader_.get(), model_.get(), in.data(), 2, nullptr, &error_);
  };
  EXPECT_EQ(load_into(), QLOAD_OK) << error_.message;
  in.set_struct_bytes(1, sizeof(qload_tensor) - 8);
  EXPECT_EQ(load_into(), QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_THAT(error_.message, HasSubstr("destinations[1].struct_bytes"));
  wanted.data = nullptr;
  in.set(1, wanted);
  EXPECT_EQ(load_into(), QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.message, "destinations[1].data is NULL");
  wanted.name = nullptr;
  in.set(1, wanted);
  EXPECT_EQ(load_into(), QLOAD_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(error_.message, "destinations[1].name is NULL");
  wanted.name = "norm";
  wanted.data = memory.data() + 256;
  wanted.bytes = 256;
  in.set(1, wanted);
  EXPECT_EQ(load_into(), QLOAD_ERROR_INVALID_ARGUMENT) << "named twice";
  EXPECT_EQ(qload_load_into(loader_.get(), model_.get(), nullptr, 0, nullptr, &error_), QLOAD_OK)
      << "nothing to do: " << error_.message;
}

TEST_F(CApiTest, NoNamesIsNotAllNames) {
  const char* names[] = {"norm"};
  qload_weights* weights = nullptr;
  ASSERT_EQ(qload_load(loader_.get(), model_.get(), names, 0, nullptr, &weights, &error_), QLOAD_OK)
      << error_.message;
  EXPECT_EQ(qload_weights_tensors(weights, nullptr, 0), 0u);
  qload_weights_close(weights);
}

}  // namespace
}  // namespace qload::test
