// Planes of the kinds that weights make, and decoding by every kernel at once: for the tests,
// fuzzers and long runs of lane_huffman. No GoogleTest in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "format/codec/codec.h"

namespace qload::test {

inline constexpr size_t kLanePlaneKinds = 10;

/// A plane of that kind (modulo kLanePlaneKinds): gaussian of any width, sparse, bimodal, runs,
/// nibbles of one value or two, exponents, uniform, one value, two values, uniform with few values,
/// gaussian with outliers.
std::vector<std::byte> random_lane_plane(std::mt19937_64& random, size_t kind, size_t bytes);

/// What all kernels made of a stream.
struct LaneOutcome {
  bool ok = false;
  std::string message;             ///< When not ok.
  std::vector<std::byte> decoded;  ///< When ok.
  std::string disagreement;        ///< Empty when all kernels agree, which they must.
};

/// A decoder of each usable kernel, used again and again. One thread at a time.
class LaneDecoders {
 public:
  LaneDecoders();
  /// Decodes by all of them, from and to memory of exactly those sizes.
  LaneOutcome decode(std::span<const std::byte> stored, size_t decoded_bytes);
  /// The same in strips of `step` bytes. `message` depends on the step, for another stream may
  /// be the first to end early.
  LaneOutcome decode_in_strips(std::span<const std::byte> stored, size_t decoded_bytes,
                               size_t step);

 private:
  template <class Decode>
  LaneOutcome compare(std::span<const std::byte> stored, size_t decoded_bytes, Decode decode);

  std::vector<std::unique_ptr<Decoder>> decoders_;
};

/// An encoder of each usable kernel.
class LaneEncoders {
 public:
  LaneEncoders();
  /// The stream, or nothing with `disagreement` set when kernels differ.
  std::vector<std::byte> encode(std::span<const std::byte> plane, std::string& disagreement);
  /// By the kernel of that number (modulo how many there are) alone; empty when it does not fit.
  std::vector<std::byte> encode_by(size_t kernel, std::span<const std::byte> plane);

 private:
  std::vector<std::unique_ptr<Encoder>> encoders_;
};

/// Changes a few bytes of a stream, or cuts it, or makes it longer. Never empty after.
void corrupt_lane_stream(std::mt19937_64& random, std::vector<std::byte>& stored);

}  // namespace qload::test
