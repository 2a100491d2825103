#include "tools/report/name_pattern.h"

#include <fnmatch.h>

namespace qload::tools {

bool name_matches(const std::string& pattern, std::string_view name) {
  if (pattern.empty()) return true;
  if (pattern.find_first_of("*?[") == std::string::npos) {
    return name.find(pattern) != std::string_view::npos;
  }
  return fnmatch(pattern.c_str(), std::string(name).c_str(), 0) == 0;
}

}  // namespace qload::tools
