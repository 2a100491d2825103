// Progress, told at a rate that suits people.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "format/pack/pack.h"

namespace qload {

/// Counts bytes and calls back at most every 50 ms, and once at the end. One thread.
class ProgressMeter {
 public:
  ProgressMeter(const std::function<void(const PackProgress&)>& on_progress, uint64_t bytes_total)
      : on_progress_(on_progress), progress_{0, bytes_total} {}

  /// More bytes to come than were known at first.
  void expect(uint64_t bytes) { progress_.bytes_total += bytes; }
  void add(uint64_t bytes) {
    progress_.bytes_done += bytes;
    auto now = Clock::now();
    if (!on_progress_ || now - told_ < kInterval) return;
    told_ = now;
    on_progress_(progress_);
  }
  void finish() const {
    if (on_progress_) on_progress_(progress_);
  }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  // 20 updates a second look continuous and cost nothing.
  static constexpr std::chrono::milliseconds kInterval{50};

  const std::function<void(const PackProgress&)>& on_progress_;
  PackProgress progress_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point told_ = started_;
};

}  // namespace qload
