#include "bench/load/round_order.h"

#include <numeric>
#include <random>
#include <utility>

namespace qload::bench {

std::vector<size_t> order_of_round(size_t count, uint32_t round) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::mt19937_64 random(round);
  for (size_t last = count; last > 1; --last) std::swap(order[last - 1], order[random() % last]);
  return order;
}

}  // namespace qload::bench
