// Finding a repeated name among many, whatever the names are.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace qload {

/// A name that occurs twice. Sorts instead of hashing: no choice of names makes it slow.
inline std::optional<std::string_view> find_repeated(std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  auto found = std::adjacent_find(names.begin(), names.end());
  if (found == names.end()) return std::nullopt;
  return *found;
}

}  // namespace qload
