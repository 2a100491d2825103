// What all JSON reports have in common.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bench/load/machine.h"
#include "bench/load/spread.h"

namespace qload::bench {

struct RooflinePair;
struct RunSample;
struct StageSummary;

nlohmann::ordered_json machine_to_json(const Machine& machine);
nlohmann::ordered_json spread_to_json(const Spread& spread);
nlohmann::ordered_json run_to_json(const RunSample& run);
nlohmann::ordered_json stages_to_json(const StageSummary& summary);
nlohmann::ordered_json pair_to_json(const RooflinePair& pair);

}  // namespace qload::bench
