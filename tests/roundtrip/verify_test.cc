// verify_container: every damaged byte is found, and the first is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/roundtrip/roundtrip.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

class Verify : public testing::Test {
 protected:
  Verify() {
    SafetensorsBuilder builder;
    builder.add("model.layers.0.a", "I8", {200, 1000}, gaussian_int8(200'000, 8.0, 1));
    builder.add("model.layers.1.b", "U8", {70'001}, random_bytes(70'001, 2));
    builder.add("model.norm.weight", "F32", {50}, gaussian_f32(50, 1.0, 3));
    write_file(directory_ / "m.safetensors", builder.build());
    PackOptions options = test_options();
    options.chunk_bytes = 64u << 10;
    auto report = pack_path(directory_ / "m.safetensors", path_, options);
    EXPECT_TRUE(report.ok()) << report.error().message();
    bytes_ = read_file(path_);
  }
  /// The error after a change of one byte at each of `offsets`; empty when none is found.
  std::string error_after_flips(std::initializer_list<uint64_t> offsets) {
    auto broken = bytes_;
    for (uint64_t offset : offsets) broken[offset] ^= std::byte{0x10};
    write_file(path_, broken);
    auto container = open_container(path_);
    std::string message;
    for (uint32_t threads : {1, 4}) {
      auto report = verify_container(container, {.threads = threads}, {}, {});
      if (report.ok()) return "";
      EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt);
      // The same error on any number of threads.
      if (threads == 4) {
        EXPECT_EQ(message, report.error().message());
      }
      message = report.error().message();
    }
    return message;
  }

  TempDirectory directory_;
  std::filesystem::path path_ = directory_ / "m.qpk";
  std::vector<std::byte> bytes_;
};

TEST_F(Verify, EveryChunkIsCheckedAndTheFirstBadOneNamed) {
  Container container = open_container(path_);
  const Index& index = container.index;
  ASSERT_GT(index.chunks().size(), 4u);
  for (const TensorRecord& tensor : index.tensors()) {
    auto chunks = index.chunks_of(tensor);
    for (size_t i = 0; i < chunks.size(); ++i) {
      std::string error = error_after_flips({chunks[i].offset + chunks[i].stored_bytes - 1});
      EXPECT_THAT(error, testing::HasSubstr(index.name(tensor)));
      EXPECT_THAT(error, testing::HasSubstr("chunk " + std::to_string(i)));
      EXPECT_THAT(error, testing::HasSubstr(std::to_string(chunks[i].offset)));
    }
  }
  const ChunkRecord& kept = index.chunks_of(index.files()[0])[0];
  EXPECT_NE(error_after_flips({kept.offset}), "");
  // Two bad chunks: the first in the file is the one named, whichever is met first.
  std::string first = error_after_flips({index.chunks()[1].offset});
  EXPECT_EQ(error_after_flips({index.chunks()[1].offset, index.chunks()[2].offset, kept.offset}),
            first);
}

TEST_F(Verify, EveryPaddingByteIsChecked) {
  Container container = open_container(path_);
  uint64_t end = kSuperblockBytes;
  uint64_t padding_bytes = 0;
  auto check_gap = [&](uint64_t next) {
    for (uint64_t offset : {end, end + (next - end) / 2, next - 1}) {
      if (offset < end || offset >= next) continue;
      EXPECT_THAT(error_after_flips({offset}),
                  testing::HasSubstr("padding byte at offset " + std::to_string(offset)));
    }
    padding_bytes += next - end;
  };
  for (const ChunkRecord& chunk : container.index.chunks()) {
    check_gap(chunk.offset);
    end = chunk.offset + chunk.stored_bytes;
  }
  check_gap(container.superblock.index_offset);
  EXPECT_GT(padding_bytes, 0u);
}

TEST_F(Verify, CancelAndProgress) {
  Container container = open_container(path_);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(verify_container(container, {}, {}, stop.get_token()).error().code(),
            ErrorCode::kCancelled);
  PackProgress last{};
  auto report =
      verify_container(container, {}, [&](const PackProgress& progress) { last = progress; }, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(last.bytes_done, last.bytes_total);
  EXPECT_EQ(last.bytes_done, std::filesystem::file_size(directory_ / "m.safetensors"));
}

TEST_F(Verify, FileTruncatedAfterOpening) {
  Container container = open_container(path_);
  std::filesystem::resize_file(path_, container.index.chunks()[2].offset);
  EXPECT_EQ(verify_container(container, {}, {}, {}).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace qload::test
