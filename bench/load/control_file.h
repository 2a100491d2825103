// Control files of the kernel's control groups.
#pragma once

#include <filesystem>
#include <string_view>

#include "qload/result.h"

namespace qload::bench {

/// Writes `value` in one call, as control files want it. Errors name the file and the value.
Status write_control(const std::filesystem::path& path, std::string_view value);

/// Removes the folder of a group whose last process has ended or left. Whether it is gone, nobody
/// needs to know: an empty group does nothing.
void remove_group(const std::filesystem::path& group);

}  // namespace qload::bench
