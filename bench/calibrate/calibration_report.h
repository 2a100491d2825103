// A calibration for people, and as a device profile with everything that it rests on.
#pragma once

#include <ostream>
#include <string>

#include "bench/calibrate/calibration.h"

namespace qload::bench {

void print_calibration(const Calibration& calibration, std::ostream& out);

/// The profile's keys (tools/profile/profile_json.h), then "machine" and "measurements". Ends with
/// a newline.
std::string calibration_to_json(const Calibration& calibration);

}  // namespace qload::bench
