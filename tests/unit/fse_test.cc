// fse: the bytes of docs/format_fse.md, sizes near the entropy, and every refusal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <string_view>

#include "format/base/bytes.h"
#include "format/base/checksum.h"
#include "format/codec/codec.h"
#include "format/codec/fse/fse_decode.h"
#include "format/codec/fse/fse_encode.h"
#include "format/codec/fse/fse_plan.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::gaussian_int8;
using test::random_bytes;
using test::to_bytes;
using ::testing::HasSubstr;

using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<int> values) {
  Bytes all;
  for (int value : values) all.push_back(static_cast<std::byte>(value));
  return all;
}

/// `head`, then the bits of a string of zeros and ones, the first lowest, padded with zeros.
Bytes with_bits(int head, std::string_view bits) {
  Bytes all = bytes({head});
  size_t count = 0;
  for (char bit : bits) {
    if (bit == ' ') continue;
    if (count % 8 == 0) all.push_back(std::byte{0});
    if (bit == '1') all.back() |= static_cast<std::byte>(1 << count % 8);
    ++count;
  }
  return all;
}

/// Each byte is `common` with a chance of `per_million`, else another of `values` values.
Bytes skewed_bytes(size_t count, uint32_t per_million, uint32_t values, uint64_t seed) {
  std::mt19937_64 generator(seed);
  Bytes all(count);
  for (auto& byte : all) {
    const uint64_t random = generator();
    const bool common = random % 1'000'000 < per_million;
    byte = static_cast<std::byte>(common ? 0x80 : 1 + (random >> 32) % values);
  }
  return all;
}

double entropy_bytes(std::span<const std::byte> data) {
  double bits = 0;
  for (uint32_t occurrences : count_bytes(data)) {
    if (occurrences == 0) continue;
    bits += occurrences * std::log2(static_cast<double>(data.size()) / occurrences);
  }
  return bits / 8;
}

/// Encoder and decoder with their working memory, which is used again and again.
class Fse : public ::testing::Test {
 protected:
  Bytes encoded(std::span<const std::byte> decoded) {
    Bytes stored(decoded.size() + 1);
    const auto size = encode_fse(decoded, stored, encode_memory_);
    EXPECT_TRUE(size.has_value());
    stored.resize(size.value_or(0));
    stored.shrink_to_fit();  // So that a sanitizer sees reads past it.
    return stored;
  }
  /// The message that refuses `stored`, or "" when it decodes. All kernels agree.
  std::string refusal(std::span<const std::byte> stored, size_t decoded_bytes) {
    const Bytes exact(stored.begin(), stored.end());
    std::string message;
    Bytes reference;
    for (const FseRoundsKernel& kernel : fse_rounds_kernels()) {
      Bytes decoded(decoded_bytes);
      const auto status = decode_fse(exact, decoded, kernel, table_);
      const std::string found = status.ok() ? "" : std::string(status.error().message());
      if (!status.ok()) {
        EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
      }
      if (&kernel == fse_rounds_kernels().data()) {
        message = found;
        reference = decoded;
      }
      EXPECT_EQ(found, message) << kernel.name;
      EXPECT_EQ(decoded, reference) << kernel.name;
    }
    decoded_ = reference;
    return message;
  }
  void expect_round_trip(const Bytes& input, const std::string& what) {
    ASSERT_EQ(refusal(encoded(input), input.size()), "") << what << ", " << input.size();
    ASSERT_EQ(decoded_, input) << what << ", " << input.size();
  }

  FseEncodeMemory encode_memory_;
  FseDecodeTable table_;
  Bytes decoded_;  ///< Of the last refusal().
};

const Bytes& example() {
  static const Bytes stored =
      bytes({0x05, 0x81, 0x21, 0x80, 0x0C, 0x4C, 0x30, 0x94, 0xC2, 0x86, 0x78});
  return stored;
}

TEST_F(Fse, ExampleOfTheSpecification) {
  const Bytes decoded = to_bytes("aaaabaaacaaaaaabaaaaaaaa");
  EXPECT_EQ(encoded(decoded), example());
  EXPECT_EQ(refusal(example(), decoded.size()), "");
  EXPECT_EQ(decoded_, decoded);
}

TEST_F(Fse, EmptyAndTinyAreInStoredForm) {
  EXPECT_EQ(encoded({}), bytes({0}));
  EXPECT_EQ(refusal(bytes({0}), 0), "");
  EXPECT_EQ(encoded(bytes({7})), bytes({0, 7}));
  EXPECT_EQ(refusal(bytes({0, 7}), 1), "");
  EXPECT_EQ(decoded_, bytes({7}));
}

// Around the borders of rounds and lanes, and with tables of every kind.
TEST_F(Fse, RoundTrip) {
  std::vector<size_t> lengths = {1000, 4095, 8190, 8191, 8192, 8193, 8194, 8195, 65537};
  for (size_t length = 0; length < 80; ++length) lengths.push_back(length);
  for (size_t length : lengths) {
    expect_round_trip(gaussian_int8(length, 3.0, length), "gaussian");
    expect_round_trip(gaussian_int8(length, 28.9, length), "wide gaussian");
    expect_round_trip(random_bytes(length, length), "random");
    expect_round_trip(skewed_bytes(length, 970'000, 3, length), "skewed");
    expect_round_trip(skewed_bytes(length, 999'900, 254, length), "very skewed");
    expect_round_trip(Bytes(length, std::byte{0xFF}), "a lone value");
    expect_round_trip(skewed_bytes(length, 500'000, 1, length), "two values");
  }
}

// A value with every other value once takes all entries but 255.
TEST_F(Fse, RareValuesKeepAnEntry) {
  Bytes input(1 << 20, std::byte{0x40});
  for (size_t value = 0; value < 256; ++value) input[4001 * value] = static_cast<std::byte>(value);
  expect_round_trip(input, "all values");
  EXPECT_LT(encoded(input).size(), 20'000u);
}

TEST_F(Fse, SizeIsNearTheEntropy) {
  for (double sigma : {4.45, 7.74, 10.95, 28.9}) {
    const Bytes input = gaussian_int8(1 << 20, sigma, 17);
    const auto size = static_cast<double>(encoded(input).size());
    EXPECT_LT(size, entropy_bytes(input) * 1.003) << "sigma " << sigma;
    EXPECT_GT(size, entropy_bytes(input)) << "sigma " << sigma;
  }
  // 0.19 bits a byte, where a Huffman code has 1.
  const Bytes rare = skewed_bytes(1 << 20, 970'000, 1, 17);
  EXPECT_LT(static_cast<double>(encoded(rare).size()), entropy_bytes(rare) * 1.01);
}

// The same bytes on every machine: no floating point, no order of threads or addresses.
TEST_F(Fse, BytesAreFrozen) {
  Bytes input(20'000);
  uint32_t random = 12345;
  for (auto& byte : input) {
    random = random * 1664525 + 1013904223;
    byte = static_cast<std::byte>((random >> 27) * (random >> 16 & 7));
  }
  const Bytes stored = encoded(input);
  EXPECT_EQ(stored.size(), 15'931u);
  EXPECT_EQ(checksum64(stored), 16'777'546'219'754'354'778u);
}

TEST(FseCounts, NormaliseToTheTable) {
  FseHistogram all_once;
  all_once.fill(1);
  all_once[7] = 1 << 24;
  for (uint32_t table_log = 8; table_log <= kFseTableLogMax; ++table_log) {
    const FseCounts counts = normalise_counts(all_once, table_log);
    for (size_t value = 0; value < 256; ++value) {
      EXPECT_EQ(counts[value], value == 7 ? (1u << table_log) - 255 : 1u) << table_log;
    }
  }
  FseHistogram halves = {};
  halves[0] = halves[255] = 5;
  EXPECT_EQ(normalise_counts(halves, 5)[255], 16);
  // 3 and 1 of 4, at L = 32 exactly; 2 of 3 are 21.3 and 10.7.
  FseHistogram shares = {};
  shares[1] = 3, shares[2] = 1;
  EXPECT_EQ(normalise_counts(shares, 5)[1], 24);
  shares[1] = 2, shares[2] = 1;
  EXPECT_EQ(normalise_counts(shares, 5)[1], 21);
}

TEST(FseCounts, HeaderFormRoundTrip) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 generator(seed);
    FseHistogram histogram = {};
    const uint64_t values = 1 + generator() % 256;
    for (uint64_t i = 0; i < values; ++i) {
      histogram[generator() % 256] = 1 + static_cast<uint32_t>(generator() >> (40 + seed % 24));
    }
    for (uint32_t table_log = 8; table_log <= kFseTableLogMax; ++table_log) {
      const FseCounts counts = normalise_counts(histogram, table_log);
      ASSERT_EQ(std::accumulate(counts.begin(), counts.end(), 0u), 1u << table_log);
      FseCountsForm form;
      write_counts(counts, table_log, form);
      FseCounts read;
      const auto size = read_counts(form.bytes, table_log, read);
      ASSERT_TRUE(size.ok()) << "seed " << seed << ": " << size.error().message();
      ASSERT_EQ(*size, form.size) << "seed " << seed;
      ASSERT_EQ(read, counts) << "seed " << seed;
      ASSERT_FALSE(read_counts(std::span(form.bytes).first(form.size - 1), table_log, read).ok());
    }
  }
}

TEST_F(Fse, RefusesForms) {
  EXPECT_THAT(refusal({}, 1), HasSubstr("is empty; expected its first byte"));
  EXPECT_THAT(refusal(bytes({0, 1, 2}), 3), HasSubstr("has 2 bytes; expected 3"));
  EXPECT_THAT(refusal(bytes({0, 1, 2}), 1), HasSubstr("has 2 bytes; expected 1"));
  for (int form : {0x25, 0x45, 0x85, 0x20}) {
    EXPECT_THAT(refusal(bytes({form, 1, 2}), 2), HasSubstr("expected its bits 5 to 7 zero"));
  }
  EXPECT_THAT(refusal(bytes({0x04, 1}), 2), HasSubstr("log is 4; expected 5 to 13"));
  EXPECT_THAT(refusal(bytes({0x0E, 1}), 2), HasSubstr("log is 14; expected 5 to 13"));
  EXPECT_THAT(refusal(bytes({0x10, 1}), 2), HasSubstr("log is 0; expected 5 to 13"));
}

TEST_F(Fse, RefusesCounts) {
  const auto with_counts = [&](std::string_view bits) { return refusal(with_bits(5, bits), 9); };
  EXPECT_THAT(with_counts(""), HasSubstr("no width at byte value 0"));
  EXPECT_THAT(with_counts("00000000 000001"), HasSubstr("no width at byte value 0"));
  EXPECT_THAT(with_counts("001"), HasSubstr("value 0 has a width of -1 bits; expected 0 to 6"));
  EXPECT_THAT(with_counts("0000000001 0000 0001"), HasSubstr("width of 7 bits"));
  EXPECT_THAT(with_counts("00000001"), HasSubstr("break off in that of byte value 0"));
  EXPECT_THAT(with_counts("1 1 1"), HasSubstr("byte value 1 repeats a run"));
  EXPECT_THAT(with_counts("1 0000001"), HasSubstr("zeros at byte value 0 breaks off"));
  EXPECT_THAT(with_counts("01 001 00000001 1111111"),
              HasSubstr("run of 255 zeros at byte value 1 passes 255 with 1 of 32 entries"));
  EXPECT_THAT(with_counts("0000000001 1111 1 1111"),
              HasSubstr("add up to 62 at byte value 1; expected 32"));
  EXPECT_THAT(refusal(with_bits(13, "0" + std::string(256, '1')), 9),
              HasSubstr("add up to 256; expected 8192"));
  Bytes padded = example();
  padded[5] |= std::byte{0x80};
  EXPECT_THAT(refusal(padded, 24), HasSubstr("padded with ones"));
}

TEST_F(Fse, RefusesLanes) {
  const auto refused = [&](int form, std::initializer_list<int> lanes, size_t decoded_bytes) {
    Bytes stored(example().begin(), example().begin() + 6);
    stored[0] = static_cast<std::byte>(form);
    for (int byte : lanes) stored.push_back(static_cast<std::byte>(byte));
    return refusal(stored, decoded_bytes);
  };
  EXPECT_EQ(refused(5, {0x30, 0x94, 0xC2, 0x86, 0x78}, 24), "");
  EXPECT_THAT(refused(5, {}, 24), HasSubstr("lane 0 of 0 bytes has no mark"));
  EXPECT_THAT(refused(5, {0, 0x30, 0x94}, 24), HasSubstr("lane 0 of 3 bytes has no mark"));
  EXPECT_THAT(refused(5, {0x30, 0x94}, 24), HasSubstr("breaks off in its states of 5 bits"));
  EXPECT_THAT(refused(5, {0x30, 0x94, 0xC2, 0x86}, 24), HasSubstr("4 bytes ends 16 decoded bytes"));
  EXPECT_THAT(refused(5, {0x30, 0x94, 0xC2, 0x86, 0x78, 0}, 24), HasSubstr("40 of its 48 bits"));
  EXPECT_THAT(refused(5, {0x30, 0x94, 0xC2, 0x86, 0x78}, 20), HasSubstr("state 5; expected 0"));
  EXPECT_THAT(refused(5, {0x30, 0x94, 0xC2, 0x86, 0x78}, 15), HasSubstr("37 of its 40 bits"));
  EXPECT_THAT(refused(5, {0x30, 0x94, 0xC2, 0x86, 0x78}, 25), HasSubstr("ends 1 decoded bytes"));
  EXPECT_THAT(refused(0x15, {5, 0, 0}, 24), HasSubstr("ends before the size of lane 0"));
  EXPECT_THAT(refused(0x15, {6, 0, 0, 0, 0x30, 0x94, 0xC2, 0x86, 0x78}, 24),
              HasSubstr("lane 0 has 6 bytes, but 5 are left"));
  EXPECT_THAT(refused(0x15, {0xFF, 0xFF, 0xFF, 0xFF, 0x30}, 24), HasSubstr("has 4294967295"));
  EXPECT_THAT(refused(0x15, {5, 0, 0, 0, 0x30, 0x94, 0xC2, 0x86, 0x78}, 48),
              HasSubstr("lane 1 of 0 bytes has no mark"));
  EXPECT_EQ(
      refused(0x15, {5, 0, 0, 0, 0x30, 0x94, 0xC2, 0x86, 0x78, 0x30, 0x94, 0xC2, 0x86, 0x78}, 48),
      "");
  EXPECT_EQ(Bytes(decoded_.begin(), decoded_.begin() + 24),
            Bytes(decoded_.begin() + 24, decoded_.end()));
}

// refusal() compares the kernels on every damaged stream, in memory of its exact size.
TEST_F(Fse, DamageNeverEscapes) {
  for (size_t length : {300u, 8999u}) {
    const Bytes stored = encoded(gaussian_int8(length, 5.0, length));
    std::mt19937_64 generator(length);
    for (size_t i = 0; i < 600; ++i) {
      Bytes damaged = stored;
      // Headers first, then anywhere.
      const size_t at = i < 100 ? i : generator() % stored.size();
      damaged[at] ^= static_cast<std::byte>(1 + generator() % 255);
      static_cast<void>(refusal(damaged, length));
      static_cast<void>(refusal(std::span(stored).first(at), length));
    }
    for (size_t decoded : {size_t{0}, size_t{1}, length - 1, length + 1, 3 * length}) {
      EXPECT_NE(refusal(stored, decoded), "") << decoded;
    }
  }
}

TEST_F(Fse, NoiseNeverEscapes) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    // A whole table of two values, then noise for lanes.
    Bytes noise = with_bits(seed % 2 == 0 ? 5 : 0x15, "0000000001 0000 1 0000");
    const Bytes more = random_bytes(seed % 200, seed);
    if (seed % 2 != 0) {
      for (size_t i = 0; i < 4; ++i)
        noise.push_back(static_cast<std::byte>(i == 0 ? seed % 90 : 0));
    }
    noise.insert(noise.end(), more.begin(), more.end());
    static_cast<void>(refusal(noise, seed % 700));
    static_cast<void>(refusal(random_bytes(1 + seed % 97, seed), seed % 300));
  }
}

}  // namespace
}  // namespace qload
