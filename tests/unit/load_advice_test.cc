// The sentences under a plan: the verdict, its numbers, and that the reason is the largest part of
// the packed load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/plan/load_plan.h"

namespace qload::tools {
namespace {

using testing::HasSubstr;

/// 1 GB plain against `packed_bytes`.
LoadPlan plan_of(const LoadTime& plain, const LoadTime& packed, uint64_t packed_bytes) {
  LoadPlan plan;
  plan.target.name = "here";
  plan.tensor_bytes = 1'000'000'000;
  plan.forms = {{"plain", plan.tensor_bytes, plain, plain},
                {"packed", packed_bytes, packed, packed}};
  return plan;
}

std::string verdict(const LoadTime& plain, const LoadTime& packed, uint64_t packed_bytes) {
  return load_advice(plan_of(plain, packed, packed_bytes)).front();
}

TEST(LoadAdvice, FixedCostsThatOutweighTheWorkAreTheReason) {
  // Decoding takes longer than the plain file's reading, and yet is the smaller part.
  EXPECT_THAT(verdict({.read_seconds = 0.001},
                      {.read_seconds = 0.0006, .decode_seconds = 0.0012, .overhead_seconds = 0.003},
                      600'000'000),
              HasSubstr("not worth it on here for its load time: a load's fixed costs (0.00300 s) "
                        "outweigh reading and decoding (0.00120 s)"));
}

TEST(LoadAdvice, FixedCostsMayTakeWhatReadingSaves) {
  EXPECT_THAT(verdict({.read_seconds = 0.01}, {.read_seconds = 0.008, .overhead_seconds = 0.003},
                      800'000'000),
              HasSubstr("what it saves in reading, a load's fixed costs take"));
}

TEST(LoadAdvice, WeightsThatHardlyCompressAreTheReason) {
  EXPECT_THAT(
      verdict({.read_seconds = 1}, {.read_seconds = 0.99, .overhead_seconds = 0.003}, 990'000'000),
      HasSubstr("hardly compress (ratio 1.010)"));
}

TEST(LoadAdvice, WhatTheProcessorsSpendMostOnIsTheReason) {
  EXPECT_THAT(
      verdict({.read_seconds = 1, .touch_seconds = 0.2},
              {.read_seconds = 0.6, .decode_seconds = 0.9, .touch_seconds = 0.2}, 600'000'000),
      HasSubstr("storage is as fast as this device decodes"));
  EXPECT_THAT(
      verdict({.read_seconds = 1, .touch_seconds = 0.9},
              {.read_seconds = 0.6, .decode_seconds = 0.3, .touch_seconds = 0.9}, 600'000'000),
      HasSubstr("first touch of its memory takes longer than decoding"));
  EXPECT_THAT(
      verdict({.read_seconds = 1, .touch_seconds = 2},
              {.read_seconds = 0.6, .decode_seconds = 0.3, .touch_seconds = 2}, 600'000'000),
      HasSubstr("even the plain file is read faster than its memory is touched"));
}

TEST(LoadAdvice, TimesHaveThreeSignificantDigits) {
  EXPECT_THAT(verdict({.read_seconds = 0.007301}, {.read_seconds = 0.007021}, 960'000'000),
              HasSubstr("1.04 times as fast as the plain file (0.00702 s instead of 0.00730 s)"));
  EXPECT_THAT(verdict({.read_seconds = 0.0985}, {.read_seconds = 0.0512}, 520'000'000),
              HasSubstr("(0.0512 s instead of 0.0985 s)"));
  EXPECT_THAT(verdict({.read_seconds = 0.2}, {.read_seconds = 0.1}, 500'000'000),
              HasSubstr("(0.100 s instead of 0.200 s)"));
  EXPECT_THAT(verdict({.read_seconds = 4.392}, {.read_seconds = 2.844}, 650'000'000),
              HasSubstr("(2.844 s instead of 4.392 s)"));
  // The column of finer digits ends at microseconds.
  EXPECT_THAT(verdict({.read_seconds = 4e-7}, {.read_seconds = 1e-7}, 250'000'000),
              HasSubstr("(0.000000 s instead of 0.000000 s)"));
}

}  // namespace
}  // namespace qload::tools
