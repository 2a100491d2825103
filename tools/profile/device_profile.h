// Device profiles: what a load's time depends on, by name or from a file.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "format/pack/cost_model.h"
#include "qload/result.h"

namespace qload::tools {

/// A device with a name. docs/benchmarking.md, "Device profiles", has the fields' meaning.
struct DeviceProfile {
  std::string name;
  std::string description;
  TargetDevice device;
};

/// Characters of a profile's name: a name stands in each row of a plan's table.
inline constexpr size_t kProfileNameMax = 32;

/// The profile by which `qpack plan` judges without --target: the default recipe's device.
inline constexpr std::string_view kDefaultProfile = "mid";

/// Profiles of this build: "mid", "sd", "emmc", "ufs31", "nvme3", "nvme4". Static storage.
std::span<const DeviceProfile> built_in_profiles();
/// The one of that name, or null.
const DeviceProfile* find_built_in_profile(std::string_view name);

/// A built-in profile's name, or the path of a profile file ("./sd" is a file). kNotFound names the
/// profiles there are; else the errors of parse_profile.
Result<DeviceProfile> find_profile(const std::string& name_or_path);

}  // namespace qload::tools
