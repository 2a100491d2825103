// ReadTuner: how large reads are and how many bytes are in flight, found out during a load.
#pragma once

#include <array>
#include <cstdint>

namespace qload {

/// How a file is read.
struct ReadShape {
  uint32_t part_bytes = 1u << 20;       ///< Largest single read.
  uint32_t in_flight_bytes = 8u << 20;  ///< Most bytes in flight.
  bool operator==(const ReadShape&) const = default;
};

/// Tries a few shapes on the first reads of a load, each a good one on some drive, and stays with
/// the fastest. Pure: time comes in as an argument. One thread (the I/O thread).
///
/// The first shape has large parts and is the answer unless another is clearly faster. A slow drive
/// and a load that decoding binds keep it without a trial: there the shape of reads decides
/// nothing.
class ReadTuner {
 public:
  explicit ReadTuner(const ReadShape& largest = {});

  /// The shape to read with now.
  const ReadShape& shape() const { return shapes_[current_]; }
  bool settled() const { return settled_; }

  /// `bytes` arrived at `seconds` on some steady clock.
  void arrived(uint64_t bytes, double seconds);
  /// Reading had to wait for staging memory, or two loads shared the drive: what is being measured
  /// does not count.
  void disturbed();
  /// A load on another file system begins: start over.
  void restart();

 private:
  static constexpr uint32_t kShapesMax = 5;

  void settle(uint32_t shape);

  std::array<ReadShape, kShapesMax> shapes_;
  std::array<double, kShapesMax> rates_ = {};
  uint32_t shape_count_ = 0;
  uint32_t current_ = 0;
  bool settled_ = false;
  uint32_t disturbances_ = 0;
  uint64_t skipped_bytes_ = 0;  // Of the trial's start, while reads of the last shape drain.
  uint64_t measured_bytes_ = 0;
  double begun_ = -1;  // When measuring began; negative: not yet.
};

}  // namespace qload
