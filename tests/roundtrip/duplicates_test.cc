// Tensors that are equal are stored once, and come back each in its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "format/base/checksum.h"
#include "tests/roundtrip/roundtrip.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

namespace fs = std::filesystem;

const TensorRecord& tensor_of(const Index& index, std::string_view name) {
  auto number = index.find(name);
  EXPECT_TRUE(number.has_value()) << name;
  return index.tensors()[number.value_or(0)];
}

void expect_shared(const Index& index, std::string_view name, std::string_view owner) {
  const TensorRecord& shared = tensor_of(index, name);
  const TensorRecord& original = tensor_of(index, owner);
  EXPECT_GT(shared.chunk_count, 0u);
  EXPECT_EQ(shared.first_chunk, original.first_chunk) << name;
  EXPECT_EQ(shared.chunk_count, original.chunk_count) << name;
  EXPECT_EQ(shared.stored_bytes, original.stored_bytes) << name;
  EXPECT_TRUE(to_digest(shared.digest) == to_digest(original.digest)) << name;
}

/// A model with tied embeddings (their head stands first in the file, but is used last), a raw
/// and a coded tensor repeated in every layer, a layer that has nothing else, and zeros.
SafetensorsBuilder model_with_duplicates() {
  const auto embedding = gaussian_int8(600'000, 9.0, 1);
  const auto coded = gaussian_bf16(100'000, 0.02, 2);
  const auto raw = random_bytes(150'000, 3);
  SafetensorsBuilder builder;
  builder.add("lm_head.weight", "I8", {600, 1000}, embedding);
  builder.add("model.embed_tokens.weight", "I8", {600, 1000}, embedding);
  for (int layer = 0; layer < 4; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    builder.add(prefix + "coded", "BF16", {100, 1000}, coded);
    builder.add(prefix + "raw", "U8", {150, 1000}, raw);
    builder.add(prefix + "zero", "F32", {50, 1000}, std::vector<std::byte>(200'000));
    if (layer == 2) continue;  // Nothing of its own.
    builder.add(prefix + "own", "I8", {77, 1000}, gaussian_int8(77'000, 7.0, 10 + layer));
  }
  return builder;
}
constexpr uint64_t kDuplicateCount = 1 + 3 * 3;
constexpr uint64_t kDuplicateBytes = 600'000 + 3 * (200'000 + 150'000 + 200'000);

class Duplicates : public testing::Test {
 protected:
  Duplicates() {
    options_.chunk_bytes = 64u << 10;
    write_file(input_, model_with_duplicates().build());
  }
  PackReport pack() {
    auto report = pack_path(input_, output_, options_);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message());
    return report.ok() ? *report : PackReport{};
  }

  TempDirectory directory_;
  fs::path input_ = directory_ / "m.safetensors";
  fs::path output_ = directory_ / "m.qpk";
  PackOptions options_ = test_options();
};

TEST_F(Duplicates, TheFirstInLoadOrderHasTheChunks) {
  const PackReport report = pack();
  EXPECT_EQ(report.duplicate_count, kDuplicateCount);
  EXPECT_EQ(report.duplicate_bytes, kDuplicateBytes);
  const Container container = open_container(output_);
  const Index& index = container.index;
  EXPECT_EQ(report.chunk_count, index.chunks().size());
  EXPECT_EQ(tensor_of(index, "model.embed_tokens.weight").first_chunk, 0u);
  expect_shared(index, "lm_head.weight", "model.embed_tokens.weight");
  for (const char* layer : {"1", "2", "3"}) {
    for (const char* name : {".coded", ".raw", ".zero"}) {
      expect_shared(index, std::string("model.layers.") + layer + name,
                    std::string("model.layers.0") + name);
    }
  }
  uint64_t bytes = 0;
  uint64_t stored = 0;
  for (const TensorRecord& tensor : index.tensors()) bytes += tensor.bytes;
  for (const ChunkRecord& chunk : index.chunks()) stored += chunk.stored_bytes;
  EXPECT_EQ(container.superblock.decoded_bytes, bytes) << "every tensor counts";
  EXPECT_LT(stored, bytes - kDuplicateBytes);
  ASSERT_EQ(index.groups().size(), 6u);
  EXPECT_EQ(index.groups()[3].bytes, 550'000u) << "layer 2, which has no chunk of its own";
}

TEST_F(Duplicates, ComeBackOnAnyNumberOfThreads) {
  std::vector<std::vector<std::byte>> containers;
  for (uint32_t threads : {1u, 2u, 8u}) {
    options_.threads = threads;
    containers.push_back(expect_roundtrip(input_, options_));
  }
  EXPECT_TRUE(containers[0] == containers[1]);
  EXPECT_TRUE(containers[0] == containers[2]);
  for (uint64_t alignment : {16384u, 65536u}) {
    options_.alignment = alignment;
    expect_roundtrip(input_, options_);
  }
  options_.verify = false;
  options_.alignment = 4096;
  EXPECT_TRUE(expect_roundtrip(input_, options_) == containers[0]);
}

// Digests are the content's, as if every tensor had its own chunks.
TEST_F(Duplicates, HaveTheDigestsOfTheirBytes) {
  pack();
  const Container container = open_container(output_);
  auto source = open_model_source(input_, OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  for (const SourceTensor& tensor : source->tensors()) {
    std::vector<std::byte> bytes(tensor.bytes);
    ASSERT_TRUE(source->read(tensor.file, tensor.offset, bytes).ok());
    EXPECT_TRUE(to_digest(tensor_of(container.index, tensor.name).digest) == digest_of(bytes))
        << tensor.name;
  }
}

TEST_F(Duplicates, AcrossShardsAndInGguf) {
  const auto shared = gaussian_int8(300'000, 8.0, 1);
  fs::create_directory(directory_ / "shards");
  write_file(directory_ / "shards" / "model-00001-of-00002.safetensors",
             SafetensorsBuilder()
                 .add("model.layers.1.w", "I8", {300, 1000}, shared)
                 .add("model.norm", "F32", {1000}, gaussian_f32(1000, 1.0, 2))
                 .build());
  write_file(directory_ / "shards" / "model-00002-of-00002.safetensors",
             SafetensorsBuilder()
                 .add("model.layers.0.w", "I8", {300, 1000}, shared)
                 .add("model.layers.0.empty", "I8", {0}, {})
                 .build());
  expect_roundtrip(directory_ / "shards", options_);
  auto report = pack_path(directory_ / "shards", output_, options_);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->duplicate_count, 1u);
  const Container container = open_container(output_);
  expect_shared(container.index, "model.layers.1.w", "model.layers.0.w");
  EXPECT_EQ(tensor_of(container.index, "model.layers.0.w").first_chunk, 0u);

  GgufBuilder gguf;
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    gguf.add_tensor(name, 8, {256, 400}, random_bytes(8 * 400 * 34, 4));
  }
  expect_roundtrip("m.gguf", gguf.build(), options_);
}

// A model of nothing but copies: one run of chunks, whole groups without one.
TEST_F(Duplicates, NothingButCopies) {
  SafetensorsBuilder builder;
  for (int i = 0; i < 100; ++i) {
    builder.add("model.layers." + std::to_string(i) + ".norm", "F32", {1024},
                gaussian_f32(1024, 1.0, 1));
  }
  const auto container = expect_roundtrip("m.safetensors", builder.build(), options_);
  EXPECT_LT(container.size(), 64u << 10);
}

TEST_F(Duplicates, VerifyReadsThemOnce) {
  pack();
  const Container container = open_container(output_);
  PackProgress last{};
  auto report =
      verify_container(container, {.threads = 2}, [&](const PackProgress& p) { last = p; }, {});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->decoded_bytes, fs::file_size(input_) - kDuplicateBytes);
  EXPECT_EQ(last.bytes_done, report->decoded_bytes);
  EXPECT_EQ(report->chunk_count, container.index.chunks().size());
}

TEST_F(Duplicates, DamageIsNamedByTheOwner) {
  pack();
  auto bytes = read_file(output_);
  {
    const Container container = open_container(output_);
    const TensorRecord& tied = tensor_of(container.index, "lm_head.weight");
    bytes[container.index.chunks_of(tied)[1].offset] ^= std::byte{1};
  }
  write_file(output_, bytes);
  const Container container = open_container(output_);
  for (const Error& error :
       {verify_container(container, {}, {}, {}).error(),
        unpack_container(container, directory_ / "back", {}, {}, {}).error()}) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_THAT(std::string(error.message()), testing::HasSubstr("model.embed_tokens.weight"));
  }
  EXPECT_FALSE(fs::exists(directory_ / "back"));
}

// Every chunk of zeros takes one byte, with and without copies.
TEST_F(Duplicates, ZerosAreConstantChunks) {
  SafetensorsBuilder builder;
  builder.add("a", "F16", {700, 1000}, std::vector<std::byte>(1'400'000));
  builder.add("b", "I8", {333'333}, std::vector<std::byte>(333'333));
  builder.add("c", "F32", {300}, std::vector<std::byte>(1200));
  builder.add("d", "I8", {333'333}, std::vector<std::byte>(333'333));
  write_file(input_, builder.build());
  EXPECT_EQ(pack().duplicate_count, 1u);
  const Container container = open_container(output_);
  for (const TensorRecord& tensor : container.index.tensors()) {
    EXPECT_EQ(tensor.stored_bytes, tensor.chunk_count) << container.index.name(tensor);
    for (const ChunkRecord& chunk : container.index.chunks_of(tensor)) {
      const ChunkForm form = container.index.form(chunk);
      EXPECT_EQ(form.stream_count, 1u);
      EXPECT_EQ(form.streams[0].codec, CodecId::kConstant);
    }
  }
}

}  // namespace
}  // namespace qload::test
