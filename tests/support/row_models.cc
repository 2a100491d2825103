#include "tests/support/row_models.h"

#include <gtest/gtest.h>

namespace qload::test {

namespace {

/// The value, or a failed test and an end to it: there is nothing to go on with.
template <class T>
T expect_value(Result<T> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message());
  return std::move(result).value();
}

}  // namespace

RowFixture::RowFixture(FixtureModel model, const LoadOptions& options) : source_(std::move(model)) {
  write_container(directory_ / "rows.qpk", source_);
  model_ = expect_value(Model::open(directory_ / "rows.qpk"));
  loader_ = expect_value(Loader::create({.decode_threads = 2}));
  weights_ = expect_value(loader_->load(*model_));
  packed_ = expect_value(loader_->load_packed(*model_, options));
}

RowCursor RowFixture::cursor(std::string_view tensor, uint64_t buffer_bytes) const {
  return expect_value(RowCursor::open(*packed_, tensor, {.buffer_bytes = buffer_bytes}));
}

FixtureTensor row_tensor(std::string name, DType dtype, std::vector<uint64_t> shape,
                         std::vector<std::byte> data, uint64_t chunk_bytes, CodecId codec,
                         FilterId filter) {
  FixtureTensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = std::move(data);
  tensor.chunk_bytes = chunk_bytes;
  tensor.codec = codec;
  tensor.filter = filter;
  return tensor;
}

}  // namespace qload::test
