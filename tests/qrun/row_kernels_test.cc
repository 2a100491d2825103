// Every kernel against a sum in double of independently decoded rows, at odd sizes and places.
#include "tools/qrun/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tools/encode/half_float.h"
#include "tools/encode/weight_encoding.h"
#include "tools/qrun/decode_row.h"

namespace qload::qrun {
namespace {

using encode::Encoding;

constexpr Encoding kEncodings[] = {Encoding::kF32,         Encoding::kF16,  Encoding::kBF16,
                                   Encoding::kInt8Channel, Encoding::kQ8_0, Encoding::kQ4_0};

/// Rows of random weights, one byte off every alignment.
struct Rows {
  Rows(Encoding encoding, size_t row_count, size_t columns)
      : dtype(encode::encoding_dtype(encoding)),
        row_bytes(encode::encoded_row_bytes(encoding, columns)),
        storage(1 + row_count * row_bytes),
        x(columns) {
    std::mt19937_64 random(columns);
    std::normal_distribution<float> normal;
    for (size_t row = 0; row < row_count; ++row) {
      std::vector<float> values(columns);
      for (float& value : values) value = normal(random);
      encode::encode_row(encoding, values, 4.0f,
                         std::span(storage).subspan(1 + row * row_bytes, row_bytes));
    }
    for (float& value : x) value = normal(random);
  }
  const std::byte* row(size_t number) const { return storage.data() + 1 + number * row_bytes; }

  DType dtype;
  size_t row_bytes;
  std::vector<std::byte> storage;
  std::vector<float> x;
};

TEST(RowKernels, ProductsAreThoseOfDecodedRows) {
  for (const RowKernels* kernels : usable_row_kernels()) {
    for (const Encoding encoding : kEncodings) {
      const RowProduct product = find_row_product(*kernels, encode::encoding_dtype(encoding));
      ASSERT_NE(product, nullptr);
      const bool blocks = encoding == Encoding::kQ8_0 || encoding == Encoding::kQ4_0;
      for (const size_t columns : {1u, 7u, 15u, 16u, 17u, 31u, 32u, 33u, 64u, 172u, 256u, 544u}) {
        if (blocks && columns % 32 != 0) continue;
        SCOPED_TRACE(std::string(kernels->name) + " " +
                     std::string(encode::encoding_name(encoding)) + " " + std::to_string(columns));
        const Rows rows(encoding, 11, columns);
        float out[12];
        out[11] = 42;
        product(rows.row(0), rows.row_bytes, 11, rows.x.data(), columns, out);
        EXPECT_EQ(out[11], 42);
        for (size_t row = 0; row < 11; ++row) {
          std::vector<float> weights(columns);
          decode_row(rows.dtype, {rows.row(row), rows.row_bytes}, weights);
          double sum = 0;
          double magnitude = 0;
          for (size_t i = 0; i < columns; ++i) {
            sum += static_cast<double>(weights[i]) * rows.x[i];
            magnitude += std::abs(static_cast<double>(weights[i]) * rows.x[i]);
          }
          EXPECT_NEAR(out[row], sum, 1e-5 * magnitude) << row;
          // The same bits alone as among others.
          float alone = 0;
          product(rows.row(row), rows.row_bytes, 1, rows.x.data(), columns, &alone);
          EXPECT_EQ(alone, out[row]) << row;
        }
      }
    }
  }
}

TEST(RowKernels, IntegerProductsAreExact) {
  std::mt19937_64 random(17);
  for (const RowKernels* kernels : usable_row_kernels()) {
    for (const size_t columns :
         {0u, 1u, 7u, 15u, 16u, 17u, 31u, 32u, 33u, 63u, 64u, 65u, 172u, 4099u}) {
      SCOPED_TRACE(std::string(kernels->name) + " " + std::to_string(columns));
      const size_t row_bytes = columns + 3;
      std::vector<std::byte> rows(1 + 11 * row_bytes);
      std::vector<int8_t> x(1 + columns);
      for (std::byte& weight : rows) weight = static_cast<std::byte>(random());
      for (int8_t& code : x) code = static_cast<int8_t>(random() % 255) + 1;
      int32_t out[12];
      out[11] = 42;
      kernels->i8_integers(rows.data() + 1, row_bytes, 11, x.data() + 1, columns, out);
      EXPECT_EQ(out[11], 42);
      for (size_t row = 0; row < 11; ++row) {
        int64_t sum = 0;
        for (size_t i = 0; i < columns; ++i) {
          sum += static_cast<int8_t>(rows[1 + row * row_bytes + i]) * x[1 + i];
        }
        EXPECT_EQ(out[row], sum) << row;
      }
    }
  }
}

// The largest sums there can be: pairs of products fit no 16 bits with their sign, all of them
// just fit 32.
TEST(RowKernels, IntegerProductsOfExtremes) {
  for (const RowKernels* kernels : usable_row_kernels()) {
    const std::vector<std::byte> rows(4 * kIntegerColumnsMax, std::byte{0x80});
    for (const int8_t code : {int8_t{127}, int8_t{-127}}) {
      const std::vector<int8_t> x(kIntegerColumnsMax, code);
      int32_t out[4];
      kernels->i8_integers(rows.data(), kIntegerColumnsMax, 4, x.data(), kIntegerColumnsMax, out);
      for (const int32_t sum : out) {
        EXPECT_EQ(sum, -128 * code * int64_t{kIntegerColumnsMax}) << kernels->name;
      }
    }
  }
}

TEST(RowKernels, NoRowsTouchNothing) {
  for (const RowKernels* kernels : usable_row_kernels()) {
    float out = 7;
    kernels->i8(nullptr, 32, 0, nullptr, 32, &out);
    EXPECT_EQ(out, 7) << kernels->name;
    int32_t sum = 7;
    kernels->i8_integers(nullptr, 32, 0, nullptr, 32, &sum);
    EXPECT_EQ(sum, 7) << kernels->name;
  }
}

TEST(RowKernels, UnknownTypesHaveNoProduct) {
  for (const DType dtype : {DType::kF64, DType::kU8, DType::kQ4_K, DType::kQ5_0}) {
    EXPECT_EQ(find_row_product(kRowScalar, dtype), nullptr);
  }
}

TEST(DecodeRow, EveryHalf) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const float expected = encode::float_of_half(static_cast<uint16_t>(bits));
    const float found = float_of_half_bits(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(found)) << bits;
    } else {
      EXPECT_EQ(found, expected) << bits;
    }
  }
}

TEST(DecodeRow, BlocksAsTheirExampleSays) {
  std::byte q8[34] = {};
  q8[1] = std::byte{0x40};  // The half 2.
  q8[2] = std::byte{0x80};  // -128
  q8[33] = std::byte{3};
  float out[32];
  decode_row(DType::kQ8_0, q8, out);
  EXPECT_EQ(out[0], -256);
  EXPECT_EQ(out[1], 0);
  EXPECT_EQ(out[31], 6);
  std::byte q4[18] = {};
  q4[1] = std::byte{0x40};
  q4[2] = std::byte{0xF0};  // Element 0 is 0 - 8, element 16 is 15 - 8.
  decode_row(DType::kQ4_0, q4, out);
  EXPECT_EQ(out[0], -16);
  EXPECT_EQ(out[16], 14);
}

}  // namespace
}  // namespace qload::qrun
