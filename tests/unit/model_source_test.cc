// ModelSource and open_model_source: detection, shards, companions, and what is refused.
#include "format/input/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "format/base/limits.h"
#include "tests/support/memory_file.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

namespace fs = std::filesystem;
using test::GgufBuilder;
using test::SafetensorsBuilder;
using test::TempDirectory;
using test::write_file;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string error_of(const fs::path& path, OpenAs as = OpenAs::kDetect) {
  auto result = open_model_source(path, as);
  return result.ok() ? "(accepted)" : std::string(result.error().message());
}

std::vector<std::string> paths(const ModelSource& model) {
  std::vector<std::string> names;
  for (const auto& file : model.files()) names.push_back(file.path);
  return names;
}

std::vector<std::string> left_out(const ModelSource& model) {
  return {model.left_out().begin(), model.left_out().end()};
}

/// A shard with tensors of one byte each.
std::vector<std::byte> shard(const std::vector<std::string>& names) {
  SafetensorsBuilder builder;
  for (const auto& name : names) builder.add(name, "U8", {1}, test::to_bytes("x"));
  return builder.build();
}

TEST(ModelSource, RawFilesAreOneTensor) {
  TempDirectory directory;
  for (size_t bytes : {0, 1, 8, 9, 4095, 4096, 4097}) {
    auto content = test::random_bytes(bytes, 1);
    write_file(directory / "model.onnx", content);
    auto model = open_model_source(directory / "model.onnx", OpenAs::kDetect);
    ASSERT_TRUE(model.ok()) << model.error().message();
    ASSERT_EQ(model->files().size(), 1u);
    EXPECT_EQ(model->files()[0].path, "model.onnx");
    EXPECT_EQ(model->files()[0].format, SourceFormat::kRaw);
    EXPECT_EQ(model->files()[0].header_bytes, 0u);
    EXPECT_EQ(model->bytes(), bytes);
    ASSERT_EQ(model->tensors().size(), 1u);
    EXPECT_EQ(model->tensors()[0].name, "model.onnx");
    EXPECT_EQ(model->tensors()[0].dtype, DType::kU8);
    EXPECT_THAT(model->tensors()[0].shape, ElementsAre(bytes));
    std::vector<std::byte> read(bytes);
    ASSERT_TRUE(model->read(0, 0, read).ok());
    EXPECT_EQ(read, content);
  }
}

TEST(ModelSource, DetectsByContent) {
  TempDirectory directory;
  write_file(directory / "a.bin", test::small_int8_model(1));
  write_file(directory / "b.bin", test::small_gguf_model(1));
  write_file(directory / "empty.safetensors", test::safetensors_file("{}", {}));
  EXPECT_EQ(open_model_source(directory / "a.bin", OpenAs::kDetect)->files()[0].format,
            SourceFormat::kSafetensors);
  EXPECT_EQ(open_model_source(directory / "b.bin", OpenAs::kDetect)->files()[0].format,
            SourceFormat::kGguf);
  EXPECT_EQ(open_model_source(directory / "b.bin", OpenAs::kRaw)->files()[0].format,
            SourceFormat::kRaw);
  auto empty = open_model_source(directory / "empty.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->files()[0].header_bytes, 10u);
  EXPECT_THAT(empty->tensors(), IsEmpty());
}

TEST(ModelSource, ANameIsAPromise) {
  TempDirectory directory;
  for (const char* name : {"x.safetensors", "x.SafeTensors", "x.gguf", "x.GGUF"}) {
    write_file(directory / name, "neither of them, but long enough");
    EXPECT_THAT(error_of(directory / name), HasSubstr("--as raw")) << name;
    EXPECT_THAT(error_of(directory / name), HasSubstr(name));
    EXPECT_EQ(error_of(directory / name, OpenAs::kRaw), "(accepted)");
  }
  // Nor is one kind accepted under the name of the other.
  write_file(directory / "y.safetensors", test::small_gguf_model(1));
  write_file(directory / "y.gguf", test::small_int8_model(1));
  EXPECT_THAT(error_of(directory / "y.safetensors"), HasSubstr("header length"));
  EXPECT_THAT(error_of(directory / "y.gguf"), HasSubstr("expected \"GGUF\""));
}

TEST(ModelSource, AResemblanceIsRaw) {
  TempDirectory directory;
  write_file(directory / "a.bin", test::safetensors_file("{\"broken", {}));
  write_file(directory / "b.bin", "GGUF but nothing else");
  for (const char* name : {"a.bin", "b.bin"}) {
    auto model = open_model_source(directory / name, OpenAs::kDetect);
    ASSERT_TRUE(model.ok()) << model.error().message();
    EXPECT_EQ(model->files()[0].format, SourceFormat::kRaw);
  }
  EXPECT_THAT(error_of(directory / "a.bin", OpenAs::kSafetensors), HasSubstr("a.bin"));
  EXPECT_THAT(error_of(directory / "b.bin", OpenAs::kGguf), HasSubstr("b.bin"));
}

TEST(ModelSource, RefusesContainersAndWhatIsNoFile) {
  TempDirectory directory;
  write_file(directory / "x.qpk", "\x89QPK\r\n\x1a\n and more");
  EXPECT_THAT(error_of(directory / "x.qpk"), HasSubstr("is a packed model already"));
  EXPECT_EQ(error_of(directory / "x.qpk", OpenAs::kRaw), "(accepted)");
  auto missing = open_model_source(directory / "missing", OpenAs::kDetect);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(error_of(directory.path(), OpenAs::kRaw), HasSubstr("is a directory"));
  EXPECT_THAT(error_of(directory.path(), OpenAs::kGguf), HasSubstr("is a directory"));
  EXPECT_THAT(error_of("/dev/null"), HasSubstr("not a regular file"));
}

TEST(ModelSource, OpensADirectoryOfShards) {
  TempDirectory directory;
  write_file(directory / "b.safetensors", shard({"b1", "b2"}));
  write_file(directory / "a.safetensors", shard({"a1"}));
  for (const char* name : {"config.json", "merges.txt", "LICENSE", "tokenizer.model", "x.py"}) {
    write_file(directory / name, name);
  }
  write_file(directory / "pytorch_model.bin", "left out");
  fs::create_directory(directory / "onnx");
  fs::create_symlink("nowhere", directory / "dangling.json");
  auto model = open_model_source(directory.path(), OpenAs::kDetect);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_THAT(paths(*model), ElementsAre("a.safetensors", "b.safetensors", "LICENSE", "config.json",
                                         "merges.txt", "tokenizer.model", "x.py"));
  EXPECT_THAT(left_out(*model), ElementsAre("dangling.json", "onnx/", "pytorch_model.bin"));
  ASSERT_EQ(model->tensors().size(), 3u);
  EXPECT_EQ(model->tensors()[2].name, "b2");
  EXPECT_EQ(model->tensors()[2].file, 1u);
  EXPECT_EQ(model->files()[3].format, SourceFormat::kCompanion);
  EXPECT_EQ(model->files()[3].header_bytes, model->files()[3].bytes);
  std::vector<std::byte> read(11);
  ASSERT_TRUE(model->read(3, 0, read).ok());
  EXPECT_EQ(read, test::to_bytes("config.json"));
}

TEST(ModelSource, OpensByIndex) {
  TempDirectory directory;
  write_file(directory / "m-1.safetensors", shard({"a"}));
  write_file(directory / "stored", shard({"b", "c"}));
  fs::create_symlink("stored", directory / "m-2.safetensors");
  write_file(directory / "other.safetensors", shard({"a"}));
  write_file(directory / "config.json", "{}");
  const std::string index = "m.safetensors.index.json";
  write_file(directory / index,
             R"({"metadata":{"total_size":3,"x":[{"weight_map":1}]},"weight_map":)"
             R"({"c":"m-2.safetensors","a":"m-1.safetensors","b":"m-2.safetensors"}})");
  auto model = open_model_source(directory / index, OpenAs::kDetect);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_THAT(paths(*model), ElementsAre("m-1.safetensors", "m-2.safetensors", index));
  EXPECT_EQ(model->files()[2].format, SourceFormat::kCompanion);
  EXPECT_THAT(left_out(*model), IsEmpty());

  auto all = open_model_source(directory.path(), OpenAs::kSafetensors);
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_THAT(paths(*all), ElementsAre("m-1.safetensors", "m-2.safetensors", index, "config.json"));
  EXPECT_THAT(left_out(*all), ElementsAre("other.safetensors", "stored"));

  write_file(directory / "n.safetensors.index.json", "{}");
  EXPECT_THAT(error_of(directory.path()), HasSubstr("\"m.safetensors.index.json\", \"n."));
}

TEST(ModelSource, RefusesIndexesThatLie) {
  TempDirectory directory;
  write_file(directory / "s.safetensors", shard({"a", "b"}));
  const auto index = directory / "m.safetensors.index.json";
  auto with = [&](std::string_view map) {
    write_file(index, "{\"weight_map\":" + std::string(map) + "}");
    return error_of(index);
  };
  EXPECT_EQ(with(R"({"a":"s.safetensors","b":"s.safetensors"})"), "(accepted)");
  EXPECT_EQ(with("{}"), "(accepted)");
  EXPECT_THAT(with(R"({"a":"s.safetensors"})"),
              HasSubstr("tensor \"b\" of shard \"s.safetensors\" is not placed there"));
  EXPECT_THAT(with(R"({"a":"s.safetensors","b":"s.safetensors","c":"s.safetensors"})"),
              HasSubstr("tensor \"c\" is not in shard \"s.safetensors\""));
  EXPECT_THAT(with(R"({"a":"s.safetensors","ab":"s.safetensors","b":"s.safetensors"})"),
              HasSubstr("tensor \"ab\" is not in shard"));
  EXPECT_THAT(with(R"({"z":"none.safetensors"})"), HasSubstr("shard of tensor \"z\""));
  for (std::string_view name :
       {"../s.safetensors", "/etc/passwd", "", ".", "..", "d/s.safetensors", "s\\u0000"}) {
    EXPECT_THAT(with("{\"a\":\"" + std::string(name) + "\"}"),
                HasSubstr("expected a file name without directories"))
        << name;
  }
  EXPECT_THAT(with(R"({"a":"s.safetensors","a":"s.safetensors"})"), HasSubstr("duplicate key"));
  EXPECT_THAT(with(R"({}, "weight_map":{})"), HasSubstr("duplicate key \"weight_map\""));
  EXPECT_THAT(with(R"({"a":1})"), HasSubstr("is a number, expected a string"));
  EXPECT_THAT(with(R"({"a":{}})"), HasSubstr("is an object, expected a string"));
  EXPECT_THAT(with(R"({"a":[]})"), HasSubstr("is an array, expected a string"));
  EXPECT_THAT(with("[]"), HasSubstr("weight_map is an array"));
  EXPECT_THAT(with("null"), HasSubstr("weight_map is null"));
  for (std::string_view json : {"[]", "1", "{", "", "{\"x\":{\"weight_map\":{}}}"}) {
    write_file(index, json);
    EXPECT_THAT(error_of(index), HasSubstr("m.safetensors.index.json")) << json;
  }
}

TEST(ModelSource, RefusesDirectoriesWithoutAModel) {
  TempDirectory directory;
  EXPECT_THAT(error_of(directory.path()), HasSubstr("no *.safetensors files"));
  write_file(directory / "a.safetensors", shard({"t"}));
  write_file(directory / "b.safetensors", shard({"t"}));
  EXPECT_THAT(error_of(directory.path()),
              HasSubstr("tensor \"t\" is in \"a.safetensors\" and again in \"b.safetensors\""));
}

/// Part `number` of `count`, with one tensor.
std::vector<std::byte> part(uint8_t number, uint8_t count, int32_t tensors) {
  GgufBuilder builder;
  builder.add_u8("split.no", number).add_u8("split.count", count);
  builder.add_i32("split.tensors.count", tensors);
  builder.add_tensor("t" + std::to_string(number), 24, {3}, test::to_bytes("abc"));
  return builder.build();
}

TEST(ModelSource, OpensSplitGguf) {
  TempDirectory directory;
  auto name = [](int number) { return "m-0000" + std::to_string(number) + "-of-00003.gguf"; };
  write_file(directory / name(1), part(0, 3, 3));
  write_file(directory / name(2), part(1, 3, 3));
  EXPECT_THAT(error_of(directory / name(1)), HasSubstr("m-00003-of-00003.gguf"));
  write_file(directory / name(3), part(2, 3, 3));
  auto model = open_model_source(directory / name(1), OpenAs::kDetect);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_THAT(paths(*model), ElementsAre(name(1), name(2), name(3)));
  EXPECT_EQ(model->tensors().size(), 3u);

  EXPECT_THAT(error_of(directory / name(2)), HasSubstr("open the first: \"" + name(1)));
  fs::copy_file(directory / name(1), directory / "renamed.gguf");
  EXPECT_THAT(error_of(directory / "renamed.gguf"), HasSubstr("does not end with"));
  write_file(directory / name(2), part(2, 3, 3));
  EXPECT_THAT(error_of(directory / name(1)), HasSubstr("split.no is 2"));
  write_file(directory / name(2), part(1, 3, 3));
  write_file(directory / name(1), part(0, 3, 4));
  EXPECT_THAT(error_of(directory / name(1)), HasSubstr("split.tensors.count is 4"));
  write_file(directory / "one.gguf", part(0, 1, 1));
  EXPECT_EQ(error_of(directory / "one.gguf"), "(accepted)");
}

TEST(ModelSource, AddFileChecksWhatReadersGive) {
  auto add = [](std::string path, std::vector<SourceTensor> tensors, uint64_t header_bytes = 0) {
    ModelSource model;
    SourceFile file{.path = std::move(path), .bytes = 10, .header_bytes = header_bytes};
    Status status = model.add_file(test::memory_file(test::random_bytes(10, 1)), std::move(file),
                                   std::move(tensors));
    EXPECT_EQ(model.files().size(), status.ok() ? 1u : 0u);
    return status.ok() ? "(accepted)" : std::string(status.error().message());
  };
  auto tensor = [](std::string name, uint64_t offset, uint64_t bytes) {
    return SourceTensor{
        .name = std::move(name), .shape = {bytes}, .offset = offset, .bytes = bytes};
  };
  EXPECT_EQ(add("f", {tensor("b", 5, 5), tensor("a", 0, 5), tensor("e", 5, 0)}), "(accepted)");
  EXPECT_EQ(add("d/f", {}, 10), "(accepted)");
  EXPECT_THAT(add("f", {}, 11), HasSubstr("header of 11"));
  EXPECT_THAT(add("f", {tensor("a", 0, 11)}), HasSubstr("leaves the file of 10 bytes"));
  EXPECT_THAT(add("f", {tensor("a", UINT64_MAX, 2)}), HasSubstr("leaves the file"));
  EXPECT_THAT(add("f", {tensor("a", 0, 5), tensor("b", 4, 5)}), HasSubstr("overlaps"));
  EXPECT_THAT(add("f", {tensor("a", 0, 5), tensor("b", 4, 0)}), HasSubstr("overlaps"));
  EXPECT_THAT(add("f", {tensor("a", 3, 5)}, 4), HasSubstr("overlaps"));
  EXPECT_THAT(add("f", {tensor("a", 0, 5), tensor("a", 5, 5)}), HasSubstr("again in"));
  EXPECT_THAT(add("f", {tensor(std::string(1, '\0'), 0, 5)}), HasSubstr("NUL"));
  EXPECT_THAT(add("f", {tensor(std::string(kNameBytesMax + 1, 'n'), 0, 5)}), HasSubstr("65536"));
  for (const char* path : {"", "/f", "../f", "d/../f", "./f", "d//f", "d/"}) {
    EXPECT_THAT(add(path, {}), HasSubstr("source path")) << path;
  }
}

TEST(ModelSource, ARefusedFileLeavesTheModelAsItWas) {
  ModelSource model;
  auto add = [&](std::string path, const std::string& name) {
    return model.add_file(test::memory_file(test::random_bytes(4, 1)),
                          {.path = std::move(path), .bytes = 4},
                          {{.name = name, .shape = {4}, .bytes = 4}});
  };
  ASSERT_TRUE(add("a", "t").ok());
  EXPECT_THAT(add("b", "t").error().message(), HasSubstr("is in \"a\" and again in \"b\""));
  EXPECT_THAT(add("a", "u").error().message(), HasSubstr("twice"));
  EXPECT_EQ(model.files().size(), 1u);
  EXPECT_EQ(model.tensors().size(), 1u);
  ASSERT_TRUE(add("b", "u").ok());
  EXPECT_EQ(model.tensors()[1].file, 1u);
  std::vector<std::byte> two(2);
  EXPECT_TRUE(model.read(1, 2, two).ok());
  EXPECT_EQ(model.read(1, 3, two).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(model.read(2, 0, two).error().code(), ErrorCode::kInvalidArgument);
}

TEST(ModelSource, NoticesThatAFileShrank) {
  TempDirectory directory;
  write_file(directory / "raw", test::random_bytes(100, 1));
  auto model = open_model_source(directory / "raw", OpenAs::kDetect);
  ASSERT_TRUE(model.ok());
  fs::resize_file(directory / "raw", 50);
  std::vector<std::byte> all(100);
  EXPECT_EQ(model->read(0, 0, all).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace qload
