// Products over threads and strips: the same bits for every cut, and errors that come through.
#include "tools/qrun/matrix_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <random>

#include "tools/qrun/thread_team.h"

namespace qload::qrun {
namespace {

/// A matrix in memory given out in strips of changing size; fails at a row when told to.
class MemoryStrips : public RowStrips {
 public:
  MemoryStrips(const Matrix& matrix, uint32_t worker_count)
      : matrix_(matrix), next_row_(worker_count) {}
  void fail_at(uint64_t row) { failing_row_ = row; }
  void cut_at(std::vector<uint64_t> cuts) { cuts_ = std::move(cuts); }
  /// The rows at which tasks began, sorted.
  std::vector<uint64_t> starts() {
    std::ranges::sort(starts_);
    return starts_;
  }

  std::span<const uint64_t> cuts() const override { return cuts_; }
  Status seek(uint32_t worker, uint64_t row) override {
    next_row_[worker] = row;
    const std::lock_guard lock(mutex_);
    starts_.push_back(row);
    return Ok{};
  }
  Result<RowStrip> next_rows(uint32_t worker, uint64_t row_count_max) override {
    const uint64_t row = next_row_[worker];
    const uint64_t count = std::min<uint64_t>(row_count_max, 1 + row % 7);
    if (row <= failing_row_ && failing_row_ < row + count) {
      return Error(ErrorCode::kCorrupt, "a strip is damaged");
    }
    next_row_[worker] += count;
    return RowStrip{matrix_.data.data() + row * matrix_.row_bytes, row, count};
  }

 private:
  const Matrix matrix_;
  std::vector<uint64_t> next_row_;
  uint64_t failing_row_ = UINT64_MAX;
  std::vector<uint64_t> cuts_;
  std::mutex mutex_;
  std::vector<uint64_t> starts_;  // Guarded by mutex_.
};

class MatrixProductTest : public ::testing::Test {
 protected:
  static constexpr size_t kRows = 1037;
  static constexpr size_t kColumns = 515;
  static constexpr size_t kVectors = 3;

  void SetUp() override {
    std::mt19937_64 random(3);
    for (std::byte& weight : weights_) weight = static_cast<std::byte>(random());
    for (float& value : x_) value = static_cast<float>(random() % 1000) / 500 - 1;
    for (float& scale : scales_) scale = static_cast<float>(random() % 100 + 1) / 1000;
  }
  Matrix matrix() {
    return {.dtype = DType::kI8,
            .rows = kRows,
            .columns = kColumns,
            .row_bytes = kColumns,
            .data = weights_,
            .scales = scales_};
  }
  std::vector<float> compute(ThreadTeam& team, const Matrix& matrix) {
    std::vector<float> out(kVectors * kRows);
    const Product product[] = {
        {matrix, {x_.data(), kVectors, kColumns}, {out.data(), kVectors, kRows}}};
    const Status status = multiply(team, fastest_row_kernels(), product);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message());
    return out;
  }

  std::vector<std::byte> weights_ = std::vector<std::byte>(kRows * kColumns);
  std::vector<float> x_ = std::vector<float>(kVectors * kColumns);
  std::vector<float> scales_ = std::vector<float>(kRows);
};

TEST_F(MatrixProductTest, SameBitsForAnyThreadsAndStrips) {
  ThreadTeam alone(1);
  const std::vector<float> expected = compute(alone, matrix());
  double sum = 0;
  for (size_t i = 0; i < kColumns; ++i) {
    sum += static_cast<double>(static_cast<int8_t>(weights_[5 * kColumns + i])) * x_[kColumns + i];
  }
  EXPECT_NEAR(expected[kRows + 5], sum * scales_[5], 1e-3);
  for (const uint32_t threads : {1u, 2u, 5u}) {
    ThreadTeam team(threads);
    EXPECT_EQ(compute(team, matrix()), expected);
    Matrix in_strips = matrix();
    MemoryStrips strips(in_strips, threads);
    in_strips.strips = &strips;
    in_strips.data = {};
    EXPECT_EQ(compute(team, in_strips), expected);
  }
}

TEST_F(MatrixProductTest, TasksBeginWhereStripsAskForIt) {
  ThreadTeam alone(1);
  const std::vector<float> expected = compute(alone, matrix());
  for (const uint32_t threads : {1u, 3u}) {
    ThreadTeam team(threads);
    Matrix in_strips = matrix();
    MemoryStrips strips(in_strips, threads);
    strips.cut_at({0, 1, 500, 1036, kRows});
    in_strips.strips = &strips;
    in_strips.data = {};
    EXPECT_EQ(compute(team, in_strips), expected);
    EXPECT_EQ(strips.starts(), (std::vector<uint64_t>{0, 1, 500, 1036}));
  }
}

TEST_F(MatrixProductTest, OneScaleServesAllRows) {
  ThreadTeam team(2);
  Matrix one = matrix();
  one.scales = one.scales.first(1);
  Matrix none = matrix();
  none.scales = {};
  const std::vector<float> scaled = compute(team, one);
  const std::vector<float> plain = compute(team, none);
  for (size_t i = 0; i < plain.size(); ++i) ASSERT_EQ(scaled[i], plain[i] * scales_[0]);
}

TEST_F(MatrixProductTest, IntegersAndOutliersInEveryStrip) {
  std::mt19937_64 random(4);
  std::vector<int8_t> codes(kVectors * kColumns);
  for (int8_t& code : codes) code = static_cast<int8_t>(random() % 255 + 129);
  const std::vector<float> code_scales = {0.5f, 2, 0.001f};
  const std::vector<uint32_t> columns = {3, 100, 514};
  std::vector<uint16_t> halves(kRows * columns.size());
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(0x3C00 + i % 1024);
  const std::vector<float> outlier_in = {1, 2, 3, -4, 5, -6, 7, 8, 9};
  const auto run = [&](ThreadTeam& team, Matrix matrix) {
    matrix.outliers = {columns, reinterpret_cast<const std::byte*>(halves.data())};
    std::vector<float> out(kVectors * kRows);
    const Product product[] = {
        {.matrix = matrix,
         .out = {out.data(), kVectors, kRows},
         .quantized = {{codes.data(), kVectors, kColumns}, code_scales.data()},
         .outlier_in = {outlier_in.data(), kVectors, columns.size()}}};
    EXPECT_TRUE(multiply(team, fastest_row_kernels(), product).ok());
    return out;
  };
  ThreadTeam alone(1);
  const std::vector<float> expected = run(alone, matrix());
  for (size_t vector = 0; vector < kVectors; ++vector) {
    for (size_t row = 0; row < kRows; ++row) {
      int32_t sum = 0;
      for (size_t i = 0; i < kColumns; ++i) {
        sum += static_cast<int8_t>(weights_[row * kColumns + i]) * codes[vector * kColumns + i];
      }
      double outliers = 0;
      for (size_t i = 0; i < columns.size(); ++i) {
        // 0x3C00 + n is the half 1 + n / 1024.
        const double weight = 1 + static_cast<double>((row * columns.size() + i) % 1024) / 1024;
        outliers += weight * outlier_in[vector * columns.size() + i];
      }
      const double result = static_cast<double>(sum) * code_scales[vector] * scales_[row];
      ASSERT_NEAR(expected[vector * kRows + row], result + outliers,
                  1e-6 * (std::abs(result) + 100))
          << row;
    }
  }
  for (const uint32_t threads : {2u, 5u}) {
    ThreadTeam team(threads);
    EXPECT_EQ(run(team, matrix()), expected);
    Matrix in_strips = matrix();
    MemoryStrips strips(in_strips, threads);
    in_strips.strips = &strips;
    in_strips.data = {};
    EXPECT_EQ(run(team, in_strips), expected);
  }
}

// Rows too long for a sum of 32 bits.
TEST(MatrixProduct, IntegersOfLongRows) {
  constexpr size_t kLong = 2 * kIntegerColumnsMax + 1;
  const std::vector<std::byte> weights(kLong, std::byte{0x80});
  const std::vector<int8_t> codes(kLong, 127);
  const float scale = 1;
  float out = 0;
  const Product product[] = {
      {.matrix =
           {.dtype = DType::kI8, .rows = 1, .columns = kLong, .row_bytes = kLong, .data = weights},
       .out = {&out, 1, 1},
       .quantized = {{codes.data(), 1, kLong}, &scale}}};
  ThreadTeam team(1);
  ASSERT_TRUE(multiply(team, fastest_row_kernels(), product).ok());
  EXPECT_EQ(out, static_cast<float>(-128 * 127 * static_cast<int64_t>(kLong)));
}

TEST_F(MatrixProductTest, ErrorOfAStripComesThrough) {
  ThreadTeam team(3);
  Matrix in_strips = matrix();
  MemoryStrips strips(in_strips, 3);
  strips.fail_at(700);
  in_strips.strips = &strips;
  std::vector<float> out(kRows);
  const Product products[] = {{in_strips, {x_.data(), 1, kColumns}, {out.data(), 1, kRows}},
                              {matrix(), {x_.data(), 1, kColumns}, {out.data(), 1, kRows}}};
  const Status status = multiply(team, fastest_row_kernels(), products);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(), "a strip is damaged");
  // And the team goes on.
  EXPECT_EQ(compute(team, matrix()).size(), kVectors * kRows);
}

TEST(ThreadTeam, EveryWorkerRunsOnceInEveryRound) {
  for (const uint32_t threads : {1u, 2u, 7u}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.thread_count(), threads);
    std::vector<std::atomic<int>> runs(threads);
    for (int round = 0; round < 300; ++round) {
      team.run([&](uint32_t worker) { ++runs[worker]; });
      for (const auto& count : runs) ASSERT_EQ(count, round + 1);
    }
  }
}

}  // namespace
}  // namespace qload::qrun
