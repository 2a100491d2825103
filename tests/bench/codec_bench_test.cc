// The codec benchmark: its parts, and a tiny size of the whole. No time is asserted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/codec/codec_comparison.h"
#include "bench/codec/codec_contender.h"
#include "bench/codec/codec_data.h"
#include "bench/codec/coded_set.h"
#include "bench/codec/synthetic_weights.h"
#include "bench/codec/weight_filter.h"
#include "bench/load/round_order.h"
#include "format/base/bytes.h"
#include "tests/support/test_files.h"
#include "tools/encode/ggml_quantizers.h"
#include "tools/encode/half_float.h"

namespace qload::bench {
namespace {

using test::TempDirectory;

TEST(HalfFloatTest, RoundsToTheNearestTiesToEven) {
  EXPECT_EQ(encode::to_half(0.0f), 0);
  EXPECT_EQ(encode::to_half(-0.0f), 0x8000);
  EXPECT_EQ(encode::to_half(1.0f), 0x3c00);
  EXPECT_EQ(encode::to_half(-2.5f), 0xc100);
  EXPECT_EQ(encode::to_half(2049.0f), 0x6800);  // 2048, the even one.
  EXPECT_EQ(encode::to_half(2051.0f), 0x6802);  // 2052.
  EXPECT_EQ(encode::to_half(1.9999f), 0x4000);  // The carry into the exponent.
  EXPECT_EQ(encode::to_half(65519.0f), 0x7bff);
  EXPECT_EQ(encode::to_half(65520.0f), 0x7c00);
  EXPECT_EQ(encode::to_half(std::ldexp(1.0f, -24)), 1);
  EXPECT_EQ(encode::to_half(std::ldexp(1.0f, -25)), 0);
  EXPECT_EQ(encode::to_half(std::ldexp(1.5f, -25)), 1);
}

TEST(HalfFloatTest, EveryHalfComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = encode::float_of_half(static_cast<uint16_t>(half));
    if (std::isnan(value)) continue;
    ASSERT_EQ(encode::to_half(value), half) << value;
  }
}

std::vector<float> ramp(size_t count) {
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) {
    weights[i] = 0.01f * static_cast<float>(static_cast<int>(i * 37 % 101) - 40);
  }
  return weights;
}

float half_at(std::span<const std::byte> block, size_t offset) {
  return encode::float_of_half(load_le<uint16_t>(block.data() + offset));
}

int byte_at(std::span<const std::byte> block, size_t offset) {
  return std::to_integer<int>(block[offset]);
}

// Each block, dequantized as ggml does, is within a step of what went in.
TEST(GgmlQuantizersTest, Q8_0) {
  const auto weights = ramp(32);
  std::vector<std::byte> block(34);
  encode::quantize_block(DType::kQ8_0, weights, block);
  const float scale = half_at(block, 0);
  for (size_t i = 0; i < 32; ++i) {
    const auto quant = static_cast<int8_t>(byte_at(block, 2 + i));
    EXPECT_NEAR(scale * quant, weights[i], 0.6f * scale) << i;
  }
}

TEST(GgmlQuantizersTest, Q4_0) {
  const auto weights = ramp(32);
  std::vector<std::byte> block(18);
  encode::quantize_block(DType::kQ4_0, weights, block);
  const float scale = half_at(block, 0);
  for (size_t i = 0; i < 32; ++i) {
    const int pair = byte_at(block, 2 + i % 16);
    const int quant = (i < 16 ? pair & 15 : pair >> 4) - 8;
    EXPECT_NEAR(scale * static_cast<float>(quant), weights[i], 1.1f * std::fabs(scale)) << i;
  }
}

TEST(GgmlQuantizersTest, Q4_K) {
  const auto weights = ramp(256);
  std::vector<std::byte> block(144);
  encode::quantize_block(DType::kQ4_K, weights, block);
  for (size_t i = 0; i < 256; ++i) {
    const size_t sub = i / 32;
    int scale;
    int minimum;
    if (sub < 4) {
      scale = byte_at(block, 4 + sub) & 63;
      minimum = byte_at(block, 8 + sub) & 63;
    } else {  // ggml-quants.c, get_scale_min_k4.
      scale = (byte_at(block, 8 + sub) & 15) | (byte_at(block, sub) >> 6) << 4;
      minimum = byte_at(block, 8 + sub) >> 4 | (byte_at(block, 4 + sub) >> 6) << 4;
    }
    const int pair = byte_at(block, 16 + sub / 2 * 32 + i % 32);
    const int quant = sub % 2 == 0 ? pair & 15 : pair >> 4;
    const float step = half_at(block, 0) * static_cast<float>(scale);
    const float value =
        step * static_cast<float>(quant) - half_at(block, 2) * static_cast<float>(minimum);
    EXPECT_NEAR(value, weights[i], 0.75f * step) << i;
  }
}

TEST(GgmlQuantizersTest, ZerosStayZeros) {
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
    const DTypeInfo& info = *find_dtype(dtype);
    const std::vector<float> weights(info.block_elements);
    std::vector<std::byte> block(info.block_bytes, std::byte{0x55});
    encode::quantize_block(dtype, weights, block);
    EXPECT_EQ(half_at(block, 0), 0.0f) << info.name;
  }
}

TEST(SyntheticWeightsTest, AreTheSameEveryTimeAndDiffer) {
  std::set<std::vector<std::byte>> seen;
  for (const SyntheticWeights& weights : all_synthetic_weights()) {
    SCOPED_TRACE(weights.name);
    const auto bytes = weights.make(2);
    EXPECT_EQ(bytes.size(), 2 * weights.row_bytes());
    EXPECT_EQ(bytes, weights.make(2));
    EXPECT_TRUE(seen.insert(bytes).second);
  }
}

TEST(WeightFilterTest, SuitsTheElements) {
  EXPECT_EQ(weight_filter(DType::kI8), FilterId::kNone);
  EXPECT_EQ(weight_filter(DType::kBF16), FilterId::kFloatPlanes2);
  EXPECT_EQ(weight_filter(DType::kF16), FilterId::kBytePlanes2);
  EXPECT_EQ(weight_filter(DType::kF32), FilterId::kFloatPlanes4);
  for (const DTypeInfo& info : all_dtypes()) {  // Whatever it is, this build knows it.
    const Filter* filter = find_filter(weight_filter(info.dtype));
    ASSERT_NE(filter, nullptr) << info.name;
    EXPECT_EQ(std::max(info.block_bytes, filter->block_bytes) %
                  std::min(info.block_bytes, filter->block_bytes),
              0u)
        << info.name;
  }
}

TEST(RoundOrderTest, IsAPermutationThatChanges) {
  std::set<std::vector<size_t>> orders;
  for (uint32_t round = 0; round < 9; ++round) {
    auto order = order_of_round(8, round);
    EXPECT_EQ(order, order_of_round(8, round));
    orders.insert(order);
    EXPECT_THAT(order, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  }
  EXPECT_GT(orders.size(), 4u);
}

Result<CodecData> small_data(const char* name) {
  auto kinds = list_codec_data({});
  EXPECT_TRUE(kinds.ok());
  const auto kind = std::ranges::find(*kinds, name, &CodecDataKind::name);
  return make_codec_data(*kind, {.chunk_bytes = 16384, .working_set_bytes = 65536});
}

// Spoils a stored chunk, then the source: either is an answer that differs.
TEST(CodedSetTest, AWrongAnswerIsFound) {
  auto data = small_data("bf16");
  ASSERT_TRUE(data.ok());
  ASSERT_GT(data->chunks.size(), 1u);
  for (const CodecContender& contender : all_codec_contenders()) {
    SCOPED_TRACE(contender.name);
    auto set = CodedSet::create(*data, contender, 0.02);
    ASSERT_TRUE(set.ok());
    auto target = DecodeTarget::create(*set, 65536);
    ASSERT_TRUE(target.ok());
    DecodePass pass(*set, *target);
    EXPECT_TRUE(pass.run().ok());
    EXPECT_TRUE(pass.run_checked(*data).ok());
    EXPECT_TRUE(EncodePass(*data, contender, *set, 0.02).run().ok());

    std::byte& source = data->memory.bytes().back();
    source ^= std::byte{1};
    const Status differs = pass.run_checked(*data);
    ASSERT_FALSE(differs.ok());
    EXPECT_EQ(differs.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(std::string(differs.error().message()),
                testing::HasSubstr("chunk " + std::to_string(data->chunks.size() - 1)));
    source ^= std::byte{1};

    for (std::byte& byte : set->memory.bytes().first(set->chunks[1].offset)) byte = ~byte;
    EXPECT_FALSE(pass.run_checked(*data).ok());
  }
}

// A file smaller than the working set is repeated, and its filters go by dtype.
TEST(CodecDataTest, SmallFilesAreRepeated) {
  TempDirectory directory;
  std::string header = R"({"a":{"dtype":"BF16","shape":[8,64],"data_offsets":[0,1024]},)"
                       R"("b":{"dtype":"I8","shape":[512],"data_offsets":[1024,1536]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  ByteWriter file;
  file.write(uint64_t{header.size()});
  file.write_bytes(as_byte_span(header));
  const auto content = test::random_bytes(1536, 1);
  file.write_bytes(content);
  test::write_file(directory / "m.safetensors", file.bytes());
  test::write_file(directory / "note.txt", "not a model");

  const auto kinds = list_codec_data(directory.path());
  ASSERT_TRUE(kinds.ok());
  ASSERT_EQ(kinds->size(), all_synthetic_weights().size() + 1);
  const auto data = make_codec_data(kinds->back(), {.working_set_bytes = 8192});
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data->copies, 5u);
  EXPECT_EQ(data->bytes, 5u * 1536);
  ASSERT_EQ(data->chunks.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    const auto expected =
        i % 2 == 0 ? std::span(content).first(1024) : std::span(content).last(512);
    EXPECT_TRUE(std::ranges::equal(data->chunk_bytes(data->chunks[i]), expected)) << i;
    EXPECT_EQ(data->chunks[i].filter, i % 2 == 0 ? FilterId::kFloatPlanes2 : FilterId::kNone);
  }
}

int run_command(const std::string& arguments) {
  const std::string command = std::string(QLOAD_BENCH_PATH) + " codecs --no-models " + arguments;
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct Mode {
  const char* name;
  const char* option;
};

TEST(CodecBenchmarkTest, TinySizeOfTheCommand) {
  for (const Mode& mode :
       {Mode{"decode", ""}, Mode{"encode", "--encode"}, Mode{"threads", "--threads 1"}}) {
    SCOPED_TRACE(mode.name);
    TempDirectory directory;
    const std::string arguments =
        std::string(mode.option) +
        " --data int8-5.0,bf16,q4_k --contenders memcpy,zstd-1,litonly-split,lane-scalar"
        " --chunk-sizes 64K,1M --rounds 2 --seconds 0.001 --working-set 256K --json " +
        (directory / "out.json").string() + " --markdown " + (directory / "out.md").string() +
        " > " + (directory / "out.txt").string();
    ASSERT_EQ(run_command(arguments), 0) << arguments;

    const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
    EXPECT_EQ(json["benchmark"], "codecs");
    EXPECT_EQ(json["method"]["mode"], mode.name);
    EXPECT_EQ(json["lane_kernels"][0], "scalar");
    ASSERT_EQ(json["tables"].size(), 6u);
    for (const auto& table : json["tables"]) {
      SCOPED_TRACE(table.dump());
      ASSERT_EQ(table["contenders"].size(), 4u);
      for (const auto& row : table["contenders"]) {
        if (row.contains("left_out")) {
          EXPECT_EQ(row["name"], "litonly-split");
          EXPECT_EQ(table["filters"], "none");
          continue;
        }
        EXPECT_EQ(row["rounds"].size(), 2u);
        EXPECT_GT(row["bytes_per_second"]["median"], 0);
        EXPECT_GT(row["over_zstd_1"], 0);
        EXPECT_GE(row["ratio"], 1);
        if (row["name"] == "memcpy") {
          EXPECT_EQ(row["over_memcpy"], 1);
        }
      }
    }
    EXPECT_THAT(as_text(test::read_file(directory / "out.txt")),
                testing::HasSubstr("bf16, chunks of 64 KiB"));
    EXPECT_THAT(as_text(test::read_file(directory / "out.md")),
                testing::HasSubstr("| lane-scalar"));
  }
}

TEST(CodecBenchmarkTest, FailuresHaveExitCodes) {
  const std::string quiet = " > /dev/null 2>&1";
  EXPECT_EQ(run_command("--list" + quiet), 0);
  EXPECT_EQ(run_command("--help" + quiet), 0);
  EXPECT_EQ(run_command("--data absent" + quiet), 2);
  EXPECT_EQ(run_command("--data f32 --contenders telepathy" + quiet), 2);
  EXPECT_EQ(run_command("--data f32 --threads 1000" + quiet), 2);
  EXPECT_EQ(run_command("--chunk-sizes 64M" + quiet), 2);
  EXPECT_EQ(run_command("--encode --threads 1" + quiet), 2);
}

}  // namespace
}  // namespace qload::bench
