// What all JSON reports have in common.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bench/load/machine.h"
#include "bench/load/spread.h"

namespace qload::bench {

nlohmann::ordered_json machine_to_json(const Machine& machine);
nlohmann::ordered_json spread_to_json(const Spread& spread);

}  // namespace qload::bench
