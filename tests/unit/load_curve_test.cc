// Where packing stops paying, by the one inequality that docs/design.md opens with.
#include <gtest/gtest.h>

#include "tools/analyze/load_curve.h"

namespace qload::analyze {
namespace {

constexpr uint64_t kPlainBytes = 1'000'000'000;

tools::DeviceProfile target_at(double rate) {
  tools::DeviceProfile target{.name = "here"};
  target.device.storage_bytes_per_second = rate;
  return target;
}

/// R = 1 GB at ratio 2, decoded at 4 GB/s.
LoadPrediction predict(double rate) {
  return predict_loads(target_at(rate), kPlainBytes, kPlainBytes / 2,
                       {.read_bytes = kPlainBytes / 2,
                        .decode_seconds = 4 * 0.25,  // Of one core; mid has four.
                        .decoded_bytes = kPlainBytes});
}

TEST(LoadPrediction, PackingPaysWhileStorageIsSlowerThanDecoding) {
  const LoadPrediction load = predict(1e9);
  EXPECT_EQ(load.payoff, Payoff::kUpTo);
  EXPECT_NEAR(load.break_even_rate, 4e9, 100);
  EXPECT_NEAR(load.at_target.plain_seconds, 1.0, 1e-12);
  EXPECT_NEAR(load.at_target.packed_seconds, 0.5, 1e-12);
  for (const LoadPoint& point : load.curve) {
    const double rate = point.storage_bytes_per_second;
    EXPECT_NEAR(point.plain_seconds, 1e9 / rate, 1e-9);
    EXPECT_NEAR(point.packed_seconds, std::max(0.5e9 / rate, 0.25), 1e-9);
    EXPECT_EQ(point.packed_seconds < point.plain_seconds, rate < load.break_even_rate);
  }
}

TEST(LoadPrediction, TheCurveHoldsTheTargetOnce) {
  for (const double rate : {1e9, 1.23e9, 5e6, 7e11}) {
    SCOPED_TRACE(rate);
    const LoadPrediction load = predict(rate);
    int found = 0;
    for (size_t i = 0; i < load.curve.size(); ++i) {
      if (load.curve[i].storage_bytes_per_second == rate) ++found;
      if (i > 0) {
        EXPECT_GT(load.curve[i].storage_bytes_per_second,
                  load.curve[i - 1].storage_bytes_per_second * 1.0001);
      }
    }
    EXPECT_EQ(found, 1);
  }
}

TEST(LoadPrediction, WhatDoesNotCompressNeverPays) {
  const LoadWork work{.read_bytes = kPlainBytes + 4096, .decoded_bytes = kPlainBytes};
  EXPECT_EQ(predict_loads(target_at(1e9), kPlainBytes, kPlainBytes + 8192, work).payoff,
            Payoff::kNever);
  EXPECT_EQ(predict_loads(target_at(1e9), 0, 4096, {.read_bytes = 4096}).payoff, Payoff::kNever);
}

TEST(LoadPrediction, WhatTakesNoDecodingAlwaysPays) {
  const LoadWork work{.read_bytes = kPlainBytes / 2, .decoded_bytes = kPlainBytes};
  EXPECT_EQ(predict_loads(target_at(1e9), kPlainBytes, kPlainBytes / 2, work).payoff,
            Payoff::kAlways);
}

}  // namespace
}  // namespace qload::analyze
