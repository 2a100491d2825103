#include "tools/qrun/rope.h"

#include <cmath>

namespace qload::qrun {

Rope::Rope(RopeLayout layout, uint32_t head_size, double base)
    : layout_(layout), cosines_(head_size / 2), sines_(head_size / 2) {
  for (uint32_t i = 0; i < head_size / 2; ++i) {
    frequencies_.push_back(std::pow(base, -2.0 * i / head_size));
  }
  compute_angles(0);
}

void Rope::compute_angles(uint32_t position) {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    cosines_[i] = static_cast<float>(std::cos(position * frequencies_[i]));
    sines_[i] = static_cast<float>(std::sin(position * frequencies_[i]));
  }
  position_ = position;
}

void Rope::rotate(std::span<float> heads, uint32_t position) {
  if (position != position_) compute_angles(position);
  const size_t pair_count = frequencies_.size();
  const bool halves = layout_ == RopeLayout::kHalves;
  for (size_t head = 0; head + 2 * pair_count <= heads.size(); head += 2 * pair_count) {
    for (size_t i = 0; i < pair_count; ++i) {
      float& x = heads[head + (halves ? i : 2 * i)];
      float& y = heads[head + (halves ? i + pair_count : 2 * i + 1)];
      const float turned = x * cosines_[i] - y * sines_[i];
      y = x * sines_[i] + y * cosines_[i];
      x = turned;
    }
  }
}

}  // namespace qload::qrun
