// Weights kept packed, with bytes of the container flipped: an error where they are checked; where
// they are not, an error or wrong rows, and never more than that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "format/container/container_reader.h"
#include "qload/packed.h"
#include "tests/support/container_fixtures.h"
#include "tests/support/row_models.h"

namespace qload::test {
namespace {

using ::testing::HasSubstr;

FixtureModel every_codec() {
  FixtureModel model;
  for (const Codec& codec : all_codecs()) {
    for (const FilterId filter :
         {FilterId::kNone, FilterId::kFloatPlanes2, FilterId::kQ4_KFields}) {
      const std::string name =
          std::string(codec.name) + "/" + std::string(find_filter(filter)->name);
      model.tensors.push_back(row_tensor(name, DType::kBF16, {40, 100},
                                         gaussian_bf16(4000, 0.02, 7), 3000, codec.id, filter));
    }
  }
  return model;
}

class PackedCorruption : public ::testing::Test {
 protected:
  PackedCorruption() {
    write_container(directory_ / "good.qpk", every_codec());
    good_ = read_file(directory_ / "good.qpk");
    auto container = read_container(File::open(directory_ / "good.qpk").value());
    const auto chunks = container->index.chunks();
    // Of all tensors; kept bytes follow them.
    tensor_chunks_.assign(chunks.begin(), chunks.end());
    auto loader = Loader::create({.decode_threads = 2});
    loader_.emplace(std::move(loader).value());
    auto model = Model::open(directory_ / "good.qpk");
    auto weights = loader_->load(*model);
    for (const TensorView& view : weights->tensors()) {
      decoded_.emplace_back(view.data.begin(), view.data.end());
    }
  }

  Model damaged_model(std::span<const std::byte> bytes) {
    write_file(directory_ / "bad.qpk", bytes);
    auto model = Model::open(directory_ / "bad.qpk");
    EXPECT_TRUE(model.ok()) << "the index is whole";
    return std::move(model).value();
  }

  TempDirectory directory_;
  std::vector<std::byte> good_;
  std::vector<ChunkRecord> tensor_chunks_;
  std::optional<Loader> loader_;
  std::vector<std::vector<std::byte>> decoded_;
};

TEST_F(PackedCorruption, EveryChunkIsCheckedWhenItIsLoaded) {
  for (const ChunkRecord& chunk : tensor_chunks_) {
    auto bytes = good_;
    bytes[chunk.offset + chunk.stored_bytes / 2] ^= std::byte{0x10};
    const Model model = damaged_model(bytes);
    for (const Verify verify : {Verify::kChunks, Verify::kDecoded}) {
      LoadOptions options;
      options.verify = verify;
      auto packed = loader_->load_packed(model, options);
      ASSERT_FALSE(packed.ok()) << chunk.offset;
      EXPECT_EQ(packed.error().code(), ErrorCode::kCorrupt);
      EXPECT_THAT(std::string(packed.error().message()),
                  HasSubstr("container offset " + std::to_string(chunk.offset)));
    }
  }
}

TEST_F(PackedCorruption, UncheckedBytesGiveErrorsOrWrongRowsAndNoMore) {
  std::mt19937_64 generator(17);
  uint64_t errors = 0;
  uint64_t wrong = 0;
  LoadOptions unchecked;
  unchecked.verify = Verify::kIndexOnly;
  for (int round = 0; round < 60; ++round) {
    auto bytes = good_;
    for (const ChunkRecord& chunk : tensor_chunks_) {
      const int flips = round % 3 == 0 ? 1 : static_cast<int>(chunk.stored_bytes / 8 + 1);
      for (int i = 0; i < flips; ++i) {
        bytes[chunk.offset + generator() % chunk.stored_bytes] ^=
            static_cast<std::byte>(1 + generator() % 255);
      }
    }
    const Model model = damaged_model(bytes);
    auto packed = loader_->load_packed(model, unchecked);
    ASSERT_TRUE(packed.ok()) << packed.error().message();
    for (size_t i = 0; i < packed->tensors().size(); ++i) {
      auto cursor = RowCursor::open(*packed, packed->tensors()[i]->name, {.buffer_bytes = 600});
      ASSERT_TRUE(cursor.ok());
      for (int step = 0; step < 30; ++step) {
        if (step % 5 == 0) {
          ASSERT_TRUE(cursor->seek(generator() % 40).ok());
        }
        const uint64_t row = cursor->next_row();
        const auto view = cursor->next_rows(1 + generator() % 4);
        if (view.ok()) {
          const auto expected = std::span(decoded_[i]).subspan(row * 200, view->data.size());
          wrong += !std::ranges::equal(view->data, expected);
          continue;
        }
        ++errors;
        EXPECT_EQ(view.error().code(), ErrorCode::kCorrupt);
        EXPECT_THAT(std::string(view.error().message()), HasSubstr("decoded offset"));
        EXPECT_EQ(cursor->next_row(), row) << "it stays where it was";
      }
      // The same in one piece, checked now because it was not then.
      std::vector<std::byte> memory(packed->tensors()[i]->bytes);
      const Destination destination[] = {{packed->tensors()[i]->name, memory}};
      const Status status = loader_->decode(*packed, destination);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
    }
  }
  EXPECT_GT(errors, 0u);
  EXPECT_GT(wrong, 0u);
}

TEST_F(PackedCorruption, ATruncatedFileIsAnError) {
  const Model model = damaged_model(good_);
  std::filesystem::resize_file(directory_ / "bad.qpk", tensor_chunks_.back().offset);
  auto packed = loader_->load_packed(model);
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace qload::test
