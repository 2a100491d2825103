// The order in which contenders take their turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qload::bench {

/// The numbers 0 ... count - 1 in an order of that round's own, the same in every benchmark. With a
/// mere rotation everybody would always follow the same neighbour and inherit what it left behind.
std::vector<size_t> order_of_round(size_t count, uint32_t round);

}  // namespace qload::bench
