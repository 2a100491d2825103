#include "runtime/load/read_tuner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace qload {
namespace {

constexpr ReadShape kLargest{1u << 20, 16u << 20};
constexpr ReadShape kFirst{1u << 20, 8u << 20};

/// A drive whose rate depends on the shape. Feeds `bytes` bytes in parts; returns the time after.
double run(ReadTuner& tuner, uint64_t bytes, double seconds,
           const std::function<double(const ReadShape&)>& rate) {
  for (uint64_t done = 0; done < bytes;) {
    const ReadShape shape = tuner.shape();
    seconds += shape.part_bytes / rate(shape);
    tuner.arrived(shape.part_bytes, seconds);
    done += shape.part_bytes;
  }
  return seconds;
}

TEST(ReadTuner, KeepsTheFirstShapeWhereNoneIsFaster) {
  ReadTuner tuner(kLargest);
  run(tuner, 512u << 20, 0, [](const ReadShape&) { return 2e9; });
  EXPECT_TRUE(tuner.settled());
  EXPECT_EQ(tuner.shape(), kFirst);
}

TEST(ReadTuner, FindsAFasterShapeAndStaysWithIt) {
  for (const uint32_t best : {512u << 10, 256u << 10}) {
    ReadTuner tuner(kLargest);
    const auto rate = [best](const ReadShape& shape) {
      return shape.part_bytes == best ? 3e9 : 2e9;
    };
    double seconds = run(tuner, 256u << 20, 100, rate);
    EXPECT_TRUE(tuner.settled());
    EXPECT_EQ(tuner.shape().part_bytes, best);
    run(tuner, 256u << 20, seconds, [](const ReadShape& shape) { return shape.part_bytes * 1e3; });
    EXPECT_EQ(tuner.shape().part_bytes, best);
  }
}

// A gain that single trials cannot tell from chance is none.
TEST(ReadTuner, ASmallGainIsNone) {
  ReadTuner tuner(kLargest);
  run(tuner, 512u << 20, 0,
      [](const ReadShape& shape) { return shape.part_bytes == 256u << 10 ? 2.1e9 : 2e9; });
  EXPECT_EQ(tuner.shape(), kFirst);
}

TEST(ReadTuner, ASlowDriveHasNoTrials) {
  ReadTuner tuner(kLargest);
  run(tuner, 32u << 20, 0, [](const ReadShape&) { return 90e6; });
  EXPECT_TRUE(tuner.settled());
  EXPECT_EQ(tuner.shape(), kFirst);
}

TEST(ReadTuner, DisturbedTrialsAreRepeatedAndThenGivenUp) {
  ReadTuner tuner(kLargest);
  const auto rate = [](const ReadShape& shape) {
    return shape.part_bytes == 256u << 10 ? 3e9 : 2e9;
  };
  double seconds = run(tuner, 20u << 20, 0, rate);
  tuner.disturbed();
  EXPECT_FALSE(tuner.settled());
  run(tuner, 256u << 20, seconds, rate);
  EXPECT_EQ(tuner.shape().part_bytes, 256u << 10);
  tuner.restart();
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(tuner.settled());
    tuner.disturbed();
  }
  EXPECT_TRUE(tuner.settled());
  EXPECT_EQ(tuner.shape(), kFirst);
}

// Options bound what is tried.
TEST(ReadTuner, NeverExceedsTheLargestShape) {
  for (const ReadShape largest :
       {ReadShape{256u << 10, 4u << 20}, ReadShape{64u << 10, 512u << 10}, kLargest}) {
    ReadTuner tuner(largest);
    uint32_t part_bytes = 0;
    uint32_t in_flight_bytes = 0;
    run(tuner, 512u << 20, 0, [&](const ReadShape& shape) {
      part_bytes = std::max(part_bytes, shape.part_bytes);
      in_flight_bytes = std::max(in_flight_bytes, shape.in_flight_bytes);
      return 1e9 + shape.part_bytes;
    });
    EXPECT_TRUE(tuner.settled());
    EXPECT_LE(part_bytes, largest.part_bytes);
    EXPECT_LE(in_flight_bytes, largest.in_flight_bytes);
  }
}

}  // namespace
}  // namespace qload
