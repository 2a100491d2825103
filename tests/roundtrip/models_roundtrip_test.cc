// What must come back: files of every kind and size.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/roundtrip/roundtrip.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

namespace fs = std::filesystem;

TEST(Roundtrip, RawFilesAroundTheEdges) {
  for (size_t bytes : {0, 1, 4095, 4096, 4097}) {
    SCOPED_TRACE(bytes);
    expect_roundtrip("data.bin", random_bytes(bytes, bytes + 1), test_options());
    expect_roundtrip("zero.bin", std::vector<std::byte>(bytes), test_options());
  }
}

TEST(Roundtrip, RawFileOfManyChunks) {
  auto content = random_bytes(3u << 20, 1);
  auto container = expect_roundtrip("noise.bin", content, test_options());
  EXPECT_LT(container.size(), content.size() + 4 * 4096) << "expanded by more than padding";
  auto zero = expect_roundtrip("zero.bin", std::vector<std::byte>((3u << 20) + 17), test_options());
  EXPECT_LE(zero.size(), 4u * 4096);
}

TEST(Roundtrip, EmptySafetensors) {
  expect_roundtrip("empty.safetensors", SafetensorsBuilder().build(), test_options());
  expect_roundtrip("note.safetensors", SafetensorsBuilder().metadata("format", "pt").build(),
                   test_options());
}

TEST(Roundtrip, SmallModels) {
  auto int8 = small_int8_model(1);
  auto container = expect_roundtrip("model.safetensors", int8, test_options());
  EXPECT_LT(container.size(), int8.size());
  expect_roundtrip("model.gguf", small_gguf_model(1), test_options());
  expect_roundtrip("model.gguf", small_gguf_model(2), test_options(), OpenAs::kRaw);
}

TEST(Roundtrip, LoadOrderIsByLayer) {
  TempDirectory directory;
  SafetensorsBuilder builder;
  for (const char* name : {"lm_head.weight", "model.layers.1.w", "model.layers.0.w",
                           "model.embed_tokens.weight", "model.norm.weight"}) {
    builder.add(name, "U8", {100}, random_bytes(100, 1));
  }
  write_file(directory / "m.safetensors", builder.build());
  ASSERT_TRUE(pack_path(directory / "m.safetensors", directory / "m.qpk", test_options()).ok());
  Container container = open_container(directory / "m.qpk");
  std::string order;
  for (const TensorRecord& tensor : container.index.tensors()) {
    order += std::string(container.index.name(tensor)) + " ";
  }
  EXPECT_EQ(order,
            "model.embed_tokens.weight model.layers.0.w model.layers.1.w lm_head.weight "
            "model.norm.weight ");
  ASSERT_EQ(container.index.groups().size(), 4u);
  EXPECT_EQ(container.index.groups()[1].layer, 0u);
  EXPECT_EQ(container.index.groups()[2].layer, 1u);
  EXPECT_EQ(container.index.groups()[3].layer, kNoLayer);
}

TEST(Roundtrip, EveryDtype) {
  SafetensorsBuilder safetensors;
  GgufBuilder gguf;
  for (const DTypeInfo& info : all_dtypes()) {
    uint64_t elements = uint64_t{4} * info.block_elements;
    // Bool allows no other bytes than 0 and 1, which zeros are.
    auto content = info.dtype == DType::kBool ? std::vector<std::byte>(4)
                                              : random_bytes(uint64_t{4} * info.block_bytes, 7);
    auto number = static_cast<uint32_t>(info.dtype);
    if (number < 256) {
      safetensors.add(info.name, info.name, {elements}, content);
    } else {
      gguf.add_tensor(info.name, number - 256, {elements}, content);
    }
  }
  expect_roundtrip("all.safetensors", safetensors.build(), test_options());
  expect_roundtrip("all.gguf", gguf.build(), test_options());
}

TEST(Roundtrip, ShardsWithCompanions) {
  TempDirectory directory;
  SafetensorsBuilder first, second;
  first.add("model.layers.0.w", "I8", {300, 1000}, gaussian_int8(300'000, 8.0, 1));
  first.add("model.layers.1.w", "BF16", {1000}, gaussian_bf16(1000, 0.02, 2));
  second.add("lm_head.weight", "U8", {999}, random_bytes(999, 3));
  write_file(directory / "model-00001-of-00002.safetensors", first.build());
  write_file(directory / "model-00002-of-00002.safetensors", second.build());
  write_file(
      directory / "model.safetensors.index.json",
      R"({"metadata":{},"weight_map":{"model.layers.0.w":"model-00001-of-00002.safetensors",)"
      R"("model.layers.1.w":"model-00001-of-00002.safetensors",)"
      R"("lm_head.weight":"model-00002-of-00002.safetensors"}})");
  write_file(directory / "config.json", "{}");
  std::string vocabulary;
  for (int i = 0; i < 200'000; ++i) vocabulary += "token " + std::to_string(i) + "\n";
  write_file(directory / "tokenizer.txt", vocabulary);  // More kept bytes than one chunk holds.
  auto container = expect_roundtrip(directory.path(), test_options());
  EXPECT_LT(container.size(), vocabulary.size() / 2);
}

TEST(Roundtrip, AnyThreadCountGivesTheSameBytes) {
  TempDirectory directory;
  SafetensorsBuilder builder;
  for (int i = 0; i < 20; ++i) {
    std::string layer = "model.layers." + std::to_string(i);
    builder.add(layer + ".a", "I8", {100, 1500}, gaussian_int8(150'000, 8.0, i));
    builder.add(layer + ".b", "BF16", {40'000}, gaussian_bf16(40'000, 0.02, i));
    builder.add(layer + ".c", "F32", {100}, std::vector<std::byte>(400));
  }
  write_file(directory / "m.safetensors", builder.build());
  PackOptions options = test_options();
  options.chunk_bytes = 64u << 10;  // Many chunks.
  std::vector<std::vector<std::byte>> containers;
  for (uint32_t threads : {1, 2, 8}) {
    options.threads = threads;
    fs::path output = directory / ("m" + std::to_string(threads) + ".qpk");
    auto report = pack_path(directory / "m.safetensors", output, options);
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(report->threads, threads);
    containers.push_back(read_file(output));
  }
  EXPECT_TRUE(containers[0] == containers[1]);
  EXPECT_TRUE(containers[0] == containers[2]);
}

TEST(Roundtrip, EveryFilterCodecAndLevel) {
  auto content = small_int8_model(3);
  for (const Filter& filter : all_filters()) {
    for (const Codec& codec : all_codecs()) {
      SCOPED_TRACE(std::string(filter.name) + " " + std::string(codec.name));
      PackOptions options = test_options();
      options.filter = filter.id;
      options.codec = codec.id;
      auto container = expect_roundtrip("m.safetensors", content, options);
      EXPECT_LT(container.size(), content.size() + (64u << 10));
    }
  }
  for (int level : {-7, 1, 22}) {
    PackOptions options = test_options();
    options.zstd_level = level;
    expect_roundtrip("m.safetensors", content, options);
  }
}

TEST(Roundtrip, SizesAndAlignmentsAtTheirLimits) {
  auto content = small_int8_model(4);
  for (uint64_t alignment : {4096, 16384, 65536}) {
    for (uint64_t chunk_bytes : {64u << 10, 16u << 20}) {
      for (uint64_t extent_bytes : {1u << 20, 8u << 20}) {
        PackOptions options = test_options();
        options.alignment = alignment;
        options.chunk_bytes = chunk_bytes;
        options.extent_bytes = extent_bytes;
        expect_roundtrip("m.safetensors", content, options);
      }
    }
  }
}

TEST(Roundtrip, WithoutVerifyTheBytesAreTheSame) {
  auto content = small_int8_model(5);
  PackOptions options = test_options();
  auto verified = expect_roundtrip("m.safetensors", content, options);
  options.verify = false;
  EXPECT_TRUE(expect_roundtrip("m.safetensors", content, options) == verified);
}

TEST(Roundtrip, RealModels) {
  auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(*models)) {
    fs::path extension = entry.path().extension();
    if (extension != ".safetensors" && extension != ".gguf") continue;
    SCOPED_TRACE(entry.path().filename().string());
    auto container = expect_roundtrip(entry.path(), test_options());
    // A tiny file may grow by superblock, padding and index; a model may not.
    EXPECT_LT(container.size(), entry.file_size() + (64u << 10));
    ++count;
  }
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace qload::test
