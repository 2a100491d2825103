// KeyValueCache: keys and values of all tokens so far, layer by layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/qrun/model_config.h"

namespace qload::qrun {

/// Room for `position_count` tokens. A token's key is key_value_size() floats, its heads in order.
class KeyValueCache {
 public:
  KeyValueCache(const ModelConfig& config, uint32_t position_count)
      : size_(config.key_value_size()),
        position_count_(position_count),
        keys_(size_t{config.layer_count} * position_count * size_),
        values_(keys_.size()) {}

  uint32_t position_count() const { return position_count_; }
  size_t size() const { return size_; }  ///< Floats of one key.

  std::span<float> key(uint32_t layer, uint32_t position) {
    return std::span(keys_).subspan(place(layer, position), size_);
  }
  std::span<float> value(uint32_t layer, uint32_t position) {
    return std::span(values_).subspan(place(layer, position), size_);
  }

 private:
  size_t place(uint32_t layer, uint32_t position) const {
    return (static_cast<size_t>(layer) * position_count_ + position) * size_;
  }
  const size_t size_;
  const uint32_t position_count_;
  std::vector<float> keys_;
  std::vector<float> values_;
};

}  // namespace qload::qrun
