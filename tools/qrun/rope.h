// Rotary position embedding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/qrun/model_config.h"

namespace qload::qrun {

/// Rotates heads by their position: pair i of a head turns by position * base^(-2i / head size).
class Rope {
 public:
  /// `head_size` is even.
  Rope(RopeLayout layout, uint32_t head_size, double base);

  /// Rotates every head of `heads`, a whole number of them, for the token at `position`. Computes
  /// the angles anew when the position differs from the last call's. One thread.
  void rotate(std::span<float> heads, uint32_t position);

 private:
  void compute_angles(uint32_t position);

  const RopeLayout layout_;
  std::vector<double> frequencies_;  // Of the pairs.
  std::vector<float> cosines_;
  std::vector<float> sines_;
  uint32_t position_ = 0;
};

}  // namespace qload::qrun
