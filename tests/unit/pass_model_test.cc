#include "runtime/plan/pass_model.h"

#include <gtest/gtest.h>

#include <vector>

namespace qload {
namespace {

std::vector<PortionCost> alike(size_t count, double load, double compute) {
  return std::vector<PortionCost>(count, {100, load, compute});
}

TEST(PassModel, OnePortionAtATimeAddsUp) {
  EXPECT_NEAR(model_pass_seconds(alike(10, 2, 3), 199), 10 * (5 + kRefillSeconds), 1e-9);
}

TEST(PassModel, TwoPortionsOverlap) {
  // Loading binds: no portion waits for room.
  EXPECT_NEAR(model_pass_seconds(alike(10, 3, 2), 200), 30, 1e-9);
  // Computing binds: refilling is hidden behind it.
  EXPECT_NEAR(model_pass_seconds(alike(10, 2, 3), 200), 30, 1e-9);
}

TEST(PassModel, RoomHidesWhatDiffersFromPortionToPortion) {
  std::vector<PortionCost> portions;
  for (int i = 0; i < 10; ++i) {
    portions.push_back({100, 4, 4});
    portions.push_back({100, 1, 1});
  }
  const double two = model_pass_seconds(portions, 200);
  const double many = model_pass_seconds(portions, 1000);
  EXPECT_NEAR(many, 50, 10 * kRefillSeconds);
  EXPECT_GT(two, many + 5);
}

TEST(PassModel, WhatStaysInMemoryCostsComputingOnly) {
  std::vector<PortionCost> portions(4, {0, 0, 2});
  EXPECT_NEAR(model_pass_seconds(portions, 0), 8, 1e-9);
  portions.push_back({100, 1, 0});
  EXPECT_NEAR(model_pass_seconds(portions, 100), 8, 1e-2);
}

TEST(PassModel, NoPortions) { EXPECT_EQ(model_pass_seconds({}, 0), 0); }

}  // namespace
}  // namespace qload
