// Which names a user means.
#pragma once

#include <string>
#include <string_view>

namespace qload::tools {

/// True for names that hold `pattern`, or match it when it has wildcards ('*', '?', '['); for every
/// name when it is empty.
bool name_matches(const std::string& pattern, std::string_view name);

}  // namespace qload::tools
