// Which experts a router chooses: few often, many seldom.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace qload::bench {

/// Draws from `count` numbers with probabilities that fall as rank^-exponent (Zipf's law); which
/// number has which rank is shuffled. The same seed gives the same numbers on every machine.
class ZipfSource {
 public:
  /// REQUIRES: count > 0, exponent >= 0 (0: all alike).
  ZipfSource(uint32_t count, double exponent, uint64_t seed) : random_(seed), numbers_(count) {
    std::iota(numbers_.begin(), numbers_.end(), 0u);
    for (uint32_t i = count; i > 1; --i) std::swap(numbers_[i - 1], numbers_[random_() % i]);
    double sum = 0;
    for (uint32_t rank = 1; rank <= count; ++rank) {
      sum += std::pow(static_cast<double>(rank), -exponent);
      sums_.push_back(sum);
    }
  }

  uint32_t next() {
    const double at = static_cast<double>(random_() >> 11) * 0x1p-53 * sums_.back();
    const auto rank = std::ranges::upper_bound(sums_, at) - sums_.begin();
    return numbers_[std::min<size_t>(static_cast<size_t>(rank), numbers_.size() - 1)];
  }

  /// `count` different ones, in the order in which they came. REQUIRES: no more than there are.
  std::vector<uint32_t> next_set(uint32_t count) {
    std::vector<uint32_t> set;
    while (set.size() < count) {
      const uint32_t number = next();
      if (std::ranges::find(set, number) == set.end()) set.push_back(number);
    }
    return set;
  }

 private:
  std::mt19937_64 random_;
  std::vector<uint32_t> numbers_;  // By rank.
  std::vector<double> sums_;       // Of the weights up to each rank.
};

}  // namespace qload::bench
