#include "runtime/load/read_tuner.h"

#include <algorithm>

namespace qload {

namespace {

// A trial reads at least so much, for so long: short enough that all trials end within the first
// tens of milliseconds on a drive where they matter (docs/performance.md, "Tuning").
constexpr uint64_t kTrialBytes = 12u << 20;
constexpr double kTrialSeconds = 0.004;

// Below this rate the first shape is kept at once: reads of 1 MiB, many in flight, saturate what is
// slow, and finding out more would take longer than it could save.
constexpr double kFastRate = 600e6;

// By how much another shape must be faster than the largest: single trials of one shape differ by
// some 5 % (docs/performance.md, "Tuning").
constexpr double kGainMin = 1.08;

// What is in flight at first. Twice as much reads no faster here and runs through more memory and
// more of the processor's cache; half as much loses 10 % (docs/performance.md, "Staging memory,
// threads, peak memory").
constexpr uint32_t kInFlightBytes = 8u << 20;

// Disturbed trials are repeated so often before the tuner gives up.
constexpr uint32_t kDisturbancesMax = 8;

}  // namespace

ReadTuner::ReadTuner(const ReadShape& largest) {
  shapes_[0] = {largest.part_bytes, std::min(largest.in_flight_bytes, kInFlightBytes)};
  shape_count_ = 1;
  constexpr std::array<ReadShape, kShapesMax - 1> kOthers = {{
      {512u << 10, 8u << 20},
      {256u << 10, 8u << 20},
      {256u << 10, 4u << 20},
      {1u << 20, 4u << 20},
  }};
  for (const ReadShape& other : kOthers) {
    if (other.part_bytes > largest.part_bytes) continue;
    if (other.in_flight_bytes > largest.in_flight_bytes || other == shapes_[0]) continue;
    shapes_[shape_count_++] = other;
  }
  settled_ = shape_count_ == 1;
}

void ReadTuner::restart() {
  current_ = 0;
  settled_ = shape_count_ == 1;
  disturbances_ = 0;
  begun_ = -1;
  skipped_bytes_ = 0;
}

void ReadTuner::disturbed() {
  if (settled_) return;
  begun_ = -1;
  skipped_bytes_ = 0;
  if (++disturbances_ >= kDisturbancesMax) settle(0);
}

void ReadTuner::arrived(uint64_t bytes, double seconds) {
  if (settled_) return;
  if (begun_ < 0) {
    skipped_bytes_ += bytes;
    if (skipped_bytes_ < shapes_[current_].in_flight_bytes) return;
    begun_ = seconds;
    measured_bytes_ = 0;
    return;
  }
  measured_bytes_ += bytes;
  const double elapsed = seconds - begun_;
  const bool slow = static_cast<double>(measured_bytes_) < kFastRate * elapsed;
  if (current_ == 0 && slow && elapsed >= 2 * kTrialSeconds) return settle(0);
  if (measured_bytes_ < kTrialBytes || elapsed < kTrialSeconds) return;
  rates_[current_] = static_cast<double>(measured_bytes_) / elapsed;
  begun_ = -1;
  skipped_bytes_ = 0;
  if (++current_ < shape_count_) return;
  const auto best = static_cast<uint32_t>(
      std::max_element(rates_.begin(), rates_.begin() + shape_count_) - rates_.begin());
  settle(rates_[best] >= rates_[0] * kGainMin ? best : 0);
}

void ReadTuner::settle(uint32_t shape) {
  current_ = shape;
  settled_ = true;
}

}  // namespace qload
