// The safetensors reader: what the safetensors library accepts, what it refuses, and the edge.
#include "format/input/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "format/base/limits.h"
#include "format/input/json_events.h"
#include "tests/support/memory_file.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/source_checks.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::SafetensorsBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Result<SafetensorsHeader> read(std::string_view header, size_t data_bytes = 0) {
  auto bytes = test::safetensors_file(header, test::random_bytes(data_bytes, 1));
  return read_safetensors(test::memory_file(bytes));
}

std::string error_of(std::string_view header, size_t data_bytes = 0) {
  auto result = read(header, data_bytes);
  return result.ok() ? "(accepted)" : std::string(result.error().message());
}

/// A header with one tensor "t" whose fields are `fields`.
std::string one(std::string_view fields) { return "{\"t\":{" + std::string(fields) + "}}"; }

TEST(Safetensors, ReadsTensorsInOffsetOrder) {
  auto result = read(R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},)"
                     R"("a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}})",
                     28);
  ASSERT_TRUE(result.ok()) << result.error().message();
  ASSERT_EQ(result->tensors.size(), 2u);
  EXPECT_EQ(result->tensors[0].name, "a");
  EXPECT_EQ(result->tensors[0].dtype, DType::kI16);
  EXPECT_EQ(result->tensors[0].offset, result->header_bytes);
  EXPECT_EQ(result->tensors[1].name, "b");
  EXPECT_THAT(result->tensors[1].shape, ElementsAre(2, 3));
  EXPECT_EQ(result->tensors[1].offset, result->header_bytes + 4);
  EXPECT_EQ(result->tensors[1].bytes, 24u);
}

TEST(Safetensors, KnowsEveryTypeOfTheSpecification) {
  struct Case {
    std::string_view name;
    uint64_t elements;
    size_t bytes;
  };
  const Case cases[] = {
      {"BOOL", 3, 3},    {"F4", 2, 1},          {"F6_E2M3", 4, 3},     {"F6_E3M2", 8, 6},
      {"U8", 1, 1},      {"I8", 5, 5},          {"F8_E5M2", 1, 1},     {"F8_E4M3", 1, 1},
      {"F8_E8M0", 1, 1}, {"F8_E4M3FNUZ", 1, 1}, {"F8_E5M2FNUZ", 1, 1}, {"I16", 1, 2},
      {"U16", 1, 2},     {"F16", 1, 2},         {"BF16", 1, 2},        {"I32", 1, 4},
      {"U32", 1, 4},     {"F32", 1, 4},         {"C64", 1, 8},         {"F64", 1, 8},
      {"I64", 1, 8},     {"U64", 1, 8},
  };
  for (const Case& c : cases) {
    SafetensorsBuilder builder;
    builder.add("t", c.name, {c.elements}, test::random_bytes(c.bytes, 1));
    auto result = read_safetensors(test::memory_file(builder.build()));
    ASSERT_TRUE(result.ok()) << c.name << ": " << result.error().message();
    EXPECT_EQ(find_dtype(result->tensors[0].dtype)->name, c.name);
    EXPECT_EQ(result->tensors[0].bytes, c.bytes) << c.name;
  }
}

TEST(Safetensors, RefusesSubByteTensorsThatSplitAByte) {
  EXPECT_THAT(error_of(one(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"), 2),
              HasSubstr("3 elements of F4 do not fill whole bytes"));
  EXPECT_THAT(error_of(one(R"("dtype":"F6_E2M3","shape":[6],"data_offsets":[0,5])"), 5),
              HasSubstr("whole bytes"));
  EXPECT_TRUE(read(one(R"("dtype":"F4","shape":[1,2],"data_offsets":[0,1])"), 1).ok());
}

TEST(Safetensors, AcceptsWhatTheLibraryAccepts) {
  for (std::string_view header : {
           "{}",
           "{}      ",
           "{ \n\t}",
           R"({"__metadata__":{}})",
           R"({"__metadata__":null})",
           R"({"__metadata__":{"format":"pt","\u00e9":"\ud83d\ude00"}})",
           R"({"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
           R"({"t":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}})",
           // Fields in any order, unknown ones skipped whatever they hold.
           R"({"t":{"extra":{"a":[1,{"b":null}]},"data_offsets":[0,0],"more":-1.5e3,)"
           R"("list":[[],{}],"shape":[0],"dtype":"I8","s":"x"}})",
           R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
           R"("b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       }) {
    EXPECT_EQ(error_of(header), "(accepted)") << header;
  }
  EXPECT_EQ(error_of(one(R"("dtype":"F64","shape":[],"data_offsets":[0,8])"), 8), "(accepted)");
}

TEST(Safetensors, RefusesFilesWithoutAHeader) {
  const std::vector<std::byte> seven(7);
  EXPECT_THAT(read_safetensors(test::memory_file(seven)).error().message(),
              HasSubstr("file of 7 bytes, expected at least 8"));
  EXPECT_THAT(error_of(""), HasSubstr("offset 8: header starts with \"\", expected '{'"));
  EXPECT_THAT(error_of(" {}"), HasSubstr("expected '{'"));
  auto bytes = test::safetensors_file("{}", {});
  bytes[0] = std::byte{3};
  EXPECT_THAT(read_safetensors(test::memory_file(bytes)).error().message(),
              HasSubstr("header length 3, but only 2 bytes follow"));
  uint64_t too_long = kSafetensorsHeaderBytesMax + 1;
  memcpy(bytes.data(), &too_long, 8);
  EXPECT_THAT(read_safetensors(test::memory_file(bytes)).error().message(),
              HasSubstr("header length 100000001, expected at most 100000000"));
}

TEST(Safetensors, RefusesWhatIsNoJson) {
  for (std::string_view header :
       {"{", "{}x", "{}{}", "{\"a\"}", "{,}", "{\"a\":}", "{\"__metadata__\":{}", "{} // comment",
        "{\"\\ud800\":{}}", "{\"\x01\":{}}", "{\"\xff\":{}}", "{\"__metadata__\":{\"a\":\"\xc3\"}}",
        "{'a':1}"}) {
    EXPECT_THAT(error_of(header), HasSubstr("offset ")) << header;
    EXPECT_THAT(error_of(header), HasSubstr("not JSON")) << header;
  }
  using namespace std::string_view_literals;
  EXPECT_THAT(error_of("{}\0\0"sv), HasSubstr("offset 10: NUL byte"));
}

TEST(Safetensors, RefusesDeepNesting) {
  std::string opens(kJsonDepthMax - 2, '[');
  std::string closes(kJsonDepthMax - 2, ']');
  const std::string fields = R"("dtype":"U8","shape":[0],"data_offsets":[0,0],"x":)";
  EXPECT_EQ(error_of(one(fields + opens + closes)), "(accepted)");
  EXPECT_THAT(error_of(one(fields + '[' + opens + closes + ']')), HasSubstr("nested deeper than"));
  EXPECT_THAT(error_of(one(fields + std::string(1 << 20, '['))), HasSubstr("nested deeper than"));
}

TEST(Safetensors, RefusesDuplicateKeys) {
  const std::string t = R"("t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(error_of("{" + t + "," + t + "}"), HasSubstr("duplicate key \"t\""));
  EXPECT_THAT(error_of(R"({"__metadata__":{},"__metadata__":{}})"),
              HasSubstr("duplicate key \"__metadata__\""));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":"1","k":"2"}})"),
              HasSubstr("__metadata__: duplicate key \"k\""));
  EXPECT_THAT(error_of(one(R"("dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0])")),
              HasSubstr("tensor \"t\": duplicate field dtype"));
  EXPECT_THAT(error_of(one(R"("dtype":"U8","shape":[],"shape":[0],"data_offsets":[0,0])")),
              HasSubstr("duplicate field shape"));
  EXPECT_THAT(
      error_of(one(R"("dtype":"U8","shape":[0],"data_offsets":[0,0],"data_offsets":[0,0])")),
      HasSubstr("duplicate field data_offsets"));
}

TEST(Safetensors, RefusesWrongFieldTypes) {
  struct Case {
    std::string fields;
    std::string message;
  };
  const std::string rest = R"(,"data_offsets":[0,0])";
  const Case cases[] = {
      {R"("dtype":"U8","shape":[0])", "field data_offsets is missing"},
      {R"("dtype":"U8","data_offsets":[0,0])", "field shape is missing"},
      {R"("shape":[0],"data_offsets":[0,0])", "field dtype is missing"},
      {R"("dtype":7,"shape":[0])" + rest, "dtype is a number, expected a string"},
      {R"("dtype":["U8"],"shape":[0])" + rest, "dtype is an array, expected a string"},
      {R"("dtype":{},"shape":[0])" + rest, "dtype is an object, expected a string"},
      {R"("dtype":null,"shape":[0])" + rest, "dtype is null, expected a string"},
      {R"("dtype":"u8","shape":[0])" + rest, "dtype \"u8\" is not one of safetensors"},
      {R"("dtype":"Q4_0","shape":[0])" + rest, "dtype \"Q4_0\" is not one of safetensors"},
      {R"("dtype":"U8","shape":0)" + rest, "shape is a number, expected an array"},
      {R"("dtype":"U8","shape":"0")" + rest, "shape is a string, expected an array"},
      {R"("dtype":"U8","shape":{})" + rest, "shape is an object, expected an array"},
      {R"("dtype":"U8","shape":[0.0])" + rest, "no whole number"},
      {R"("dtype":"U8","shape":[0e0])" + rest, "no whole number"},
      {R"("dtype":"U8","shape":[-0])" + rest, "no whole number"},
      {R"("dtype":"U8","shape":[-1])" + rest, "no whole number"},
      {R"("dtype":"U8","shape":[18446744073709551616])" + rest, "no whole number"},
      {R"("dtype":"U8","shape":[true])" + rest, "an array with a boolean in it"},
      {R"("dtype":"U8","shape":[[0]])" + rest, "an array with an array in it"},
      {R"("dtype":"U8","shape":[0],"data_offsets":[0])", "is an array of 1"},
      {R"("dtype":"U8","shape":[0],"data_offsets":[0,0,0])", "is an array of 3"},
      {R"("dtype":"U8","shape":[0],"data_offsets":[0,0.5])", "no whole number"},
      {R"("dtype":"U8","shape":[0],"data_offsets":[{},0])", "an array with an object in it"},
      {R"("dtype":"U8","shape":[0],"data_offsets":null)", "data_offsets is null"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(error_of(one(c.fields)), HasSubstr("tensor \"t\"")) << c.fields;
    EXPECT_THAT(error_of(one(c.fields)), HasSubstr(c.message)) << c.fields;
  }
  EXPECT_THAT(error_of(R"({"t":1})"), HasSubstr("tensor \"t\" is a number, expected an object"));
  EXPECT_THAT(error_of(R"({"t":[]})"), HasSubstr("expected an object"));
  EXPECT_THAT(error_of(R"({"__metadata__":[]})"), HasSubstr("__metadata__ is an array"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":1}})"), HasSubstr("expected a string"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":{}}})"), HasSubstr("expected a string"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":null}})"), HasSubstr("expected a string"));
}

TEST(Safetensors, RefusesOffsetsThatDoNotCoverTheData) {
  EXPECT_THAT(error_of(one(R"("dtype":"U8","shape":[4],"data_offsets":[1,5])"), 5),
              HasSubstr("data_offsets start at 1, expected 0"));
  EXPECT_THAT(error_of(one(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])"), 4),
              HasSubstr("data_offsets end 0 is before their start 4"));
  EXPECT_THAT(error_of(one(R"("dtype":"U8","shape":[4],"data_offsets":[0,4])"), 3),
              HasSubstr("data_offsets end 4 is past the data section of 3 bytes"));
  EXPECT_THAT(error_of(one(R"("dtype":"U8","shape":[4],"data_offsets":[0,4])"), 5),
              HasSubstr("trailing bytes"));
  EXPECT_THAT(error_of(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,5])"), 5),
              HasSubstr("hold 5 bytes, expected 4 for its shape and dtype F32"));
  EXPECT_THAT(error_of("{}", 1), HasSubstr("trailing bytes"));
  auto two = [](std::string_view a, std::string_view b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(a) +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(b) + "}}";
  };
  EXPECT_EQ(error_of(two("[0,2]", "[2,4]"), 4), "(accepted)");
  EXPECT_EQ(error_of(two("[2,4]", "[0,2]"), 4), "(accepted)");
  EXPECT_THAT(error_of(two("[0,2]", "[1,3]"), 4), HasSubstr("start at 1, expected 2"));
  EXPECT_THAT(error_of(two("[0,2]", "[3,5]"), 5), HasSubstr("start at 3, expected 2"));
  EXPECT_THAT(error_of(two("[0,2]", "[0,2]"), 2), HasSubstr("start at 0, expected 2"));
}

TEST(Safetensors, RefusesOverflow) {
  EXPECT_THAT(error_of(one(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])")),
              HasSubstr("product of shape"));
  // The library multiplies from the left, so a zero at the end does not help.
  EXPECT_THAT(
      error_of(one(R"("dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0])")),
      HasSubstr("product of shape"));
  EXPECT_THAT(error_of(one(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])")),
              HasSubstr("size in bytes"));
}

TEST(Safetensors, BoundsRankAndNames) {
  auto with_rank = [](uint32_t rank) {
    std::string shape = "0";
    for (uint32_t i = 1; i < rank; ++i) shape += ",1";
    return one(R"("dtype":"U8","shape":[)" + shape + R"(],"data_offsets":[0,0])");
  };
  EXPECT_EQ(error_of(with_rank(kRankMax)), "(accepted)");
  EXPECT_THAT(error_of(with_rank(kRankMax + 1)), HasSubstr("more than 64"));
  auto with_name = [](uint64_t bytes) {
    return "{\"" + std::string(bytes, 'n') +
           R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  };
  EXPECT_EQ(error_of(with_name(kNameBytesMax)), "(accepted)");
  EXPECT_THAT(error_of(with_name(kNameBytesMax + 1)), HasSubstr("has 65536 bytes"));
}

TEST(Safetensors, ErrorsSayWhere) {
  // The offset counts from the start of the file and stands just behind the culprit.
  const std::string header = R"({"t":{"dtype":"X9"}})";
  EXPECT_THAT(error_of(header), HasSubstr("offset " + std::to_string(8 + header.find('}'))));
}

TEST(Safetensors, LooksLike) {
  auto looks = [](std::span<const std::byte> bytes) {
    return *looks_like_safetensors(test::memory_file(bytes));
  };
  EXPECT_TRUE(looks(test::safetensors_file("{}", {})));
  EXPECT_FALSE(looks(test::safetensors_file("[]", {})));
  EXPECT_FALSE(looks(test::safetensors_file("", {})));
  EXPECT_FALSE(looks(test::to_bytes("12345678{")));
  EXPECT_FALSE(looks({}));
}

TEST(Safetensors, ReadsTheFixture) {
  auto bytes = test::small_int8_model(1);
  auto result = read_safetensors(test::memory_file(bytes));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(test::broken_promise(result->tensors, result->header_bytes, bytes.size()), "");
  EXPECT_GE(result->tensors.size(), 40u);
  EXPECT_EQ(bytes, test::small_int8_model(1));
  EXPECT_NE(bytes, test::small_int8_model(2));
}

TEST(Safetensors, ReadsOtherPeoplesFiles) {
  auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*models)) {
    if (entry.path().extension() != ".safetensors") continue;
    auto file = File::open(entry.path());
    ASSERT_TRUE(file.ok());
    auto result = read_safetensors(*file);
    ASSERT_TRUE(result.ok()) << entry.path() << ": " << result.error().message();
    EXPECT_EQ(test::broken_promise(result->tensors, result->header_bytes, file->bytes()), "");
    ++count;
  }
  EXPECT_GE(count, 10u);
}

}  // namespace
}  // namespace qload
