#include "bench/load/report_json.h"

#include <nlohmann/json.hpp>

namespace qload::bench {

nlohmann::ordered_json machine_to_json(const Machine& machine) {
  return {{"cpu", machine.cpu},
          {"processors", machine.processors},
          {"kernel", machine.kernel},
          {"memory_bytes", machine.memory_bytes},
          {"memory_available_bytes", machine.memory_available_bytes},
          {"file_system", machine.file_system},
          {"read_ahead", machine.read_ahead},
          {"scheduler", machine.scheduler},
          {"huge_pages", machine.huge_pages},
          {"governor", machine.governor},
          {"memlock", machine.memlock},
          {"virtualised", machine.virtualised},
          {"compiler", machine.compiler}};
}

nlohmann::ordered_json spread_to_json(const Spread& spread) {
  return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}};
}

}  // namespace qload::bench
