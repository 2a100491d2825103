// The GGUF reader: what ggml accepts, what it refuses, and the edge between.
#include "format/input/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "format/base/bytes.h"
#include "format/input/ggml_types.h"
#include "tests/support/memory_file.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/source_checks.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::GgufBuilder;
using test::GgufValueType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Result<GgufHeader> read(std::span<const std::byte> bytes) {
  return read_gguf(test::memory_file(bytes));
}
Result<GgufHeader> read(const GgufBuilder& builder) { return read(builder.build()); }

template <class Source>
std::string error_of(const Source& source) {
  auto result = read(source);
  return result.ok() ? "(accepted)" : std::string(result.error().message());
}

GgufBuilder one_tensor(std::vector<uint64_t> ne, uint32_t type, size_t bytes) {
  GgufBuilder builder;
  builder.add_tensor("t", type, std::move(ne), test::random_bytes(bytes, 1));
  return builder;
}

TEST(Gguf, ReadsTensorsWithReversedShape) {
  GgufBuilder builder;
  builder.add_string("general.architecture", "test");
  builder.add_tensor("a", 0, {3, 5}, test::random_bytes(60, 1));
  builder.add_tensor("b", 8, {64, 2}, test::random_bytes(136, 2));
  auto bytes = builder.build();
  auto result = read(bytes);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->version, 3u);
  EXPECT_EQ(result->alignment, 32u);
  EXPECT_EQ(result->header_bytes % 32, 0u);
  ASSERT_EQ(result->tensors.size(), 2u);
  EXPECT_EQ(result->tensors[0].dtype, DType::kF32);
  EXPECT_THAT(result->tensors[0].shape, ElementsAre(5, 3));
  EXPECT_EQ(result->tensors[0].offset, result->header_bytes);
  EXPECT_EQ(result->tensors[1].dtype, DType::kQ8_0);
  EXPECT_EQ(result->tensors[1].offset, result->header_bytes + 64);
  EXPECT_EQ(result->tensors[1].bytes, 136u);
  auto expected = test::random_bytes(60, 1);
  EXPECT_EQ(std::memcmp(bytes.data() + result->tensors[0].offset, expected.data(), 60), 0);
}

// Block elements and block bytes of every type, from ggml's own table of type traits.
TEST(Gguf, KnowsEveryGgmlType) {
  struct Case {
    uint32_t type;
    const char* name;
    uint64_t elements;
    uint64_t bytes;
  };
  const Case cases[] = {
      {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
      {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},
      {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
      {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
      {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
      {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
      {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
      {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},
      {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
      {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},
      {41, "Q1_0", 128, 18},    {42, "Q2_0", 64, 18},
  };
  for (const Case& c : cases) {
    auto builder = one_tensor({c.elements * 2, 3}, c.type, c.bytes * 6);
    auto result = read(builder);
    ASSERT_TRUE(result.ok()) << c.name << ": " << result.error().message();
    const DTypeInfo* info = find_dtype(result->tensors[0].dtype);
    EXPECT_EQ(info->name, c.name);
    EXPECT_EQ(info->block_elements, c.elements) << c.name;
    EXPECT_EQ(result->tensors[0].bytes, c.bytes * 6) << c.name;
    if (c.elements > 1) {
      EXPECT_THAT(error_of(one_tensor({c.elements + 1}, c.type, c.bytes * 2)),
                  HasSubstr("expected a multiple of " + std::to_string(c.elements)));
      EXPECT_THAT(error_of(one_tensor({}, c.type, c.bytes)), HasSubstr("rows of 1"));
    }
  }
}

TEST(Gguf, RefusesRemovedAndUnknownTypesByNumber) {
  struct Case {
    uint32_t type;
    const char* name;
  };
  for (const Case& c : {Case{4, "Q4_2"}, Case{5, "Q4_3"}, Case{31, "Q4_0_4_4"},
                        Case{32, "Q4_0_4_8"}, Case{33, "Q4_0_8_8"}, Case{36, "IQ4_NL_4_4"},
                        Case{37, "IQ4_NL_4_8"}, Case{38, "IQ4_NL_8_8"}}) {
    auto result = dtype_of_ggml(c.type);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(result.error().message(), HasSubstr(c.name));
    EXPECT_THAT(result.error().message(), HasSubstr("ggml type " + std::to_string(c.type)));
  }
  for (uint32_t type : {43u, 255u, 256u, 65279u, 65280u, 65281u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    auto result = dtype_of_ggml(type);
    ASSERT_FALSE(result.ok()) << type;
    EXPECT_THAT(result.error().message(), HasSubstr("unknown"));
  }
  EXPECT_THAT(error_of(one_tensor({32}, 99, 32)), HasSubstr("tensor \"t\": ggml type 99"));
}

TEST(Gguf, RefusesOtherVersionsAndByteOrders) {
  auto code = [](uint32_t version) {
    auto result = read(GgufBuilder().version(version));
    return result.ok() ? "(accepted)" : std::string(error_code_name(result.error().code()));
  };
  EXPECT_EQ(code(0), "corrupt");
  EXPECT_EQ(code(1), "unsupported");
  EXPECT_EQ(code(2), "(accepted)");
  EXPECT_EQ(code(3), "(accepted)");
  EXPECT_EQ(code(4), "unsupported");
  EXPECT_EQ(code(0x03000000), "unsupported");
  EXPECT_THAT(error_of(GgufBuilder().version(0x03000000)), HasSubstr("big-endian"));
  EXPECT_THAT(error_of(GgufBuilder().version(0x02000000)), HasSubstr("big-endian"));
  auto bytes = GgufBuilder().build();
  bytes[3] = std::byte{'f'};
  EXPECT_THAT(error_of(bytes), HasSubstr("offset 0: magic \"GGUf\", expected \"GGUF\""));
}

TEST(Gguf, ReadsEveryValueType) {
  GgufBuilder builder;
  const uint32_t widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  for (uint32_t type = 0; type < 13; ++type) {
    if (widths[type] == 0) continue;
    const auto key = "k" + std::to_string(type);
    builder.add_value(key, type, test::random_bytes(widths[type], type));
    builder.add_array(key + ".array", static_cast<GgufValueType>(type), 3,
                      test::random_bytes(widths[type] * 3, type));
    builder.add_array(key + ".empty", static_cast<GgufValueType>(type), 0, {});
  }
  builder.add_string("s", "text").add_string("s.empty", "");
  builder.add_string_array("s.array", {"a", "", "ccc"}).add_string_array("s.none", {});
  builder.add_tensor("t", 0, {1}, test::random_bytes(4, 1));
  auto result = read(builder);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->tensors.size(), 1u);
}

TEST(Gguf, RefusesBrokenValues) {
  EXPECT_THAT(error_of(GgufBuilder().add_value("k", 13, {})),
              HasSubstr("key \"k\" has value type 13, expected 0 to 12"));
  EXPECT_THAT(error_of(GgufBuilder().add_value("k", 0xFFFFFFFF, {})), HasSubstr("value type"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", GgufValueType::kArray, 1, {})),
              HasSubstr("array of arrays"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", static_cast<GgufValueType>(77), 1, {})),
              HasSubstr("value type 77"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", GgufValueType::kUint8, 1000, {})),
              HasSubstr("needs 1000 bytes"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", GgufValueType::kUint64, 1ull << 30, {})),
              HasSubstr("needs 8589934592 bytes"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", GgufValueType::kUint8, (1ull << 30) + 1, {})),
              HasSubstr("expected at most 1073741824"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", GgufValueType::kUint64, 1ull << 61, {})),
              HasSubstr("expected at most"));
  EXPECT_THAT(error_of(GgufBuilder().add_array("k", GgufValueType::kString, 1ull << 30, {})),
              HasSubstr("remain in the file"));
  const uint64_t long_string = (1ull << 30) + 1;
  EXPECT_THAT(error_of(GgufBuilder().add_value("k", 8, std::as_bytes(std::span(&long_string, 1)))),
              HasSubstr("expected at most 1073741824"));
  EXPECT_THAT(error_of(GgufBuilder().add_u8("", 1)), HasSubstr("key 0 is empty"));
  EXPECT_THAT(error_of(GgufBuilder().add_u8("k", 1).add_u8("k", 1)),
              HasSubstr("duplicate key \"k\""));
  EXPECT_EQ(error_of(GgufBuilder().add_u8(std::string(65535, 'k'), 1)), "(accepted)");
  EXPECT_THAT(error_of(GgufBuilder().add_u8(std::string(65536, 'k'), 1)),
              HasSubstr("expected at most 65535"));
}

TEST(Gguf, HonoursTheAlignment) {
  for (uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufBuilder builder;
    builder.alignment(alignment);
    builder.add_tensor("a", 24, {5}, test::random_bytes(5, 1));
    builder.add_tensor("b", 24, {7}, test::random_bytes(7, 1));
    auto result = read(builder);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->alignment, alignment);
    EXPECT_EQ(result->tensors[0].offset % alignment, 0u);
    EXPECT_EQ(result->tensors[1].offset % alignment, 0u);
  }
  EXPECT_THAT(error_of(GgufBuilder().add_u32("general.alignment", 0)),
              HasSubstr("is 0, expected a power of two"));
  EXPECT_THAT(error_of(GgufBuilder().add_u32("general.alignment", 24)), HasSubstr("is 24"));
  EXPECT_THAT(error_of(GgufBuilder().add_u64("general.alignment", 32)),
              HasSubstr("is of type u64, expected u32"));
  EXPECT_THAT(error_of(GgufBuilder().add_i32("general.alignment", 32)), HasSubstr("type i32"));
}

TEST(Gguf, RefusesBrokenTensors) {
  const uint64_t kMax = INT64_MAX;
  EXPECT_EQ(error_of(one_tensor({1, 1, 1, 1}, 0, 4)), "(accepted)");
  EXPECT_EQ(error_of(one_tensor({}, 0, 4)), "(accepted)");
  EXPECT_THAT(error_of(one_tensor({1, 1, 1, 1, 1}, 0, 4)),
              HasSubstr("has 5 dimensions, expected at most 4"));
  EXPECT_THAT(error_of(one_tensor({kMax + 1}, 0, 4)), HasSubstr("dimension 0 of -9223372036854"));
  EXPECT_THAT(error_of(one_tensor({kMax}, 24, 4)), HasSubstr("2^63-1 elements or more"));
  EXPECT_THAT(error_of(one_tensor({1ull << 32, 1ull << 31}, 24, 4)),
              HasSubstr("2^63-1 elements or more"));
  EXPECT_THAT(error_of(one_tensor({1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32}, 24, 4)),
              HasSubstr("2^63-1 elements or more"));
  EXPECT_THAT(error_of(one_tensor({1ull << 62}, 0, 4)), HasSubstr("size in bytes"));
  EXPECT_THAT(error_of(one_tensor({1ull << 61}, 0, 4)), HasSubstr("leaves the data section"));
  EXPECT_EQ(error_of(one_tensor({32, 0, kMax, kMax}, 2, 0)), "(accepted)");

  auto named = [](const std::string& name) {
    GgufBuilder builder;
    builder.add_tensor(name, 0, {1}, test::random_bytes(4, 1));
    return builder;
  };
  EXPECT_EQ(error_of(named(std::string(63, 'n'))), "(accepted)");
  EXPECT_THAT(error_of(named(std::string(64, 'n'))),
              HasSubstr("name of tensor 0 has 64 bytes, expected at most 63"));
  EXPECT_THAT(error_of(named(std::string("a\0b", 3))), HasSubstr("NUL"));
  EXPECT_THAT(error_of(named("x").add_tensor("x", 0, {1}, test::random_bytes(4, 1))),
              HasSubstr("duplicate tensor name \"x\""));
}

TEST(Gguf, RefusesWrongOffsets) {
  auto bytes = one_tensor({4}, 24, 4).build();
  // 24 bytes of header, 8 + 1 of name, 4 of rank, 8 of dimension, 4 of type.
  const size_t offset_at = 24 + 9 + 4 + 8 + 4;
  uint64_t offset = 32;
  std::memcpy(bytes.data() + offset_at, &offset, 8);
  EXPECT_THAT(error_of(bytes), HasSubstr("offset 49: tensor \"t\" has data offset 32, expected 0"));
}

TEST(Gguf, RefusesFilesThatEndEarly) {
  GgufBuilder builder;
  builder.add_tensor("a", 24, {5}, test::random_bytes(5, 1)).pad_end(false);
  auto bytes = builder.build();
  EXPECT_EQ(error_of(bytes), "(accepted)");  // The last tensor needs no padding.
  bytes.pop_back();
  EXPECT_THAT(error_of(bytes),
              HasSubstr("tensor \"a\" of 5 bytes at data offset 0 leaves the data section of 4"));
  bytes.resize(bytes.size() - 5);
  EXPECT_THAT(error_of(bytes), HasSubstr("ends before its data section, aligned to 32"));
}

TEST(Gguf, ReadsFilesWithoutTensors) {
  GgufBuilder builder;
  builder.add_string("k", "v");
  auto bytes = builder.build();
  auto padded = read(bytes);
  ASSERT_TRUE(padded.ok());
  EXPECT_EQ(padded->header_bytes, bytes.size());
  EXPECT_THAT(padded->tensors, IsEmpty());
  bytes.resize(24 + 8 + 1 + 4 + 8 + 1);
  auto cut = read(bytes);
  ASSERT_TRUE(cut.ok()) << cut.error().message();
  EXPECT_EQ(cut->header_bytes, bytes.size());
}

TEST(Gguf, BelievesNoCount) {
  auto counts = [](uint64_t tensors, uint64_t keys) {
    auto bytes = GgufBuilder().build();
    std::memcpy(bytes.data() + 8, &tensors, 8);
    std::memcpy(bytes.data() + 16, &keys, 8);
    bytes.resize(24);
    return bytes;
  };
  EXPECT_EQ(error_of(counts(0, 0)), "(accepted)");
  EXPECT_THAT(error_of(counts(1ull << 62, 0)), HasSubstr("offset 24: name of tensor 0"));
  EXPECT_THAT(error_of(counts(0, 1ull << 62)), HasSubstr("offset 24: key 0 of 46116860"));
  EXPECT_THAT(error_of(counts(1ull << 63, 0)), HasSubstr("offset 8: number of tensors is -92"));
  EXPECT_THAT(error_of(counts(0, 1ull << 63)), HasSubstr("offset 16: number of keys is -92"));
}

TEST(Gguf, ReadsLargeVocabularies) {
  // Longer than the reader's window, in many strings and in one.
  GgufBuilder builder;
  builder.add_string_array("tokens", std::vector<std::string>(100000, "token"));
  builder.add_string("long", std::string(1 << 20, 'x'));
  builder.add_string_array("longs", std::vector<std::string>(3, std::string(300000, 'y')));
  builder.add_u32("general.alignment", 64);
  auto result = read(builder);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->alignment, 64u);
}

TEST(Gguf, ReadsSplitFields) {
  const uint16_t count = 3;
  auto count_bytes = std::as_bytes(std::span(&count, 1));
  auto result = read(GgufBuilder()
                         .add_value("split.count", 2, count_bytes)
                         .add_u8("split.no", 1)
                         .add_i32("split.tensors.count", 7));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->split_count, 3u);
  EXPECT_EQ(result->split_number, 1u);
  EXPECT_EQ(result->split_tensors, 7u);
  EXPECT_THAT(error_of(GgufBuilder().add_i32("split.tensors.count", -1)), HasSubstr("negative"));
  EXPECT_THAT(error_of(GgufBuilder().add_f32("split.count", 2)), HasSubstr("is of type f32"));
}

TEST(Gguf, ReadsTheFixture) {
  auto bytes = test::small_gguf_model(1);
  auto result = read(bytes);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(test::broken_promise(result->tensors, result->header_bytes, bytes.size()), "");
  EXPECT_EQ(result->tensors.size(), 12u);
}

TEST(Gguf, ReadsOtherPeoplesFiles) {
  auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*models)) {
    if (entry.path().extension() != ".gguf") continue;
    auto file = File::open(entry.path());
    ASSERT_TRUE(file.ok());
    auto result = read_gguf(*file);
    ASSERT_TRUE(result.ok()) << entry.path() << ": " << result.error().message();
    EXPECT_EQ(test::broken_promise(result->tensors, result->header_bytes, file->bytes()), "");
    EXPECT_GT(result->tensors.size(), 10u);
    ++count;
  }
  EXPECT_GE(count, 4u);
}

}  // namespace
}  // namespace qload
