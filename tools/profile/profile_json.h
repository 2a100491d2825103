// Device profiles as JSON: docs/benchmarking.md, "Device profiles", is the schema.
#pragma once

#include <string>
#include <string_view>

#include "qload/result.h"
#include "tools/profile/device_profile.h"
#include "tools/report/json_report.h"

namespace qload::tools {

/// Value of "qload_device_profile": the schema's version.
inline constexpr uint64_t kProfileVersion = 1;
/// A profile's file is smaller than this.
inline constexpr uint64_t kProfileBytesMax = 4u << 20;

/// Unknown keys are ignored. kCorrupt: not JSON, not a profile, or a key that is missing or whose
/// value no device has; names the key, what was found and what was expected. kUnsupported: another
/// version.
Result<DeviceProfile> parse_profile(std::string_view text);

/// The same keys, in the order of the schema. Callers may add others. Rates that are not modelled
/// (kFreeRate) are null, as parse_profile accepts them.
JsonReport profile_json(const DeviceProfile& profile);

}  // namespace qload::tools
