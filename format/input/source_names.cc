#include "format/input/source_names.h"

#include <algorithm>
#include <string>

#include "format/base/format_text.h"

namespace qload {

namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool ends_with_ignoring_case(std::string_view name, std::string_view suffix) {
  if (name.size() < suffix.size()) return false;
  const std::string_view end = name.substr(name.size() - suffix.size());
  return std::equal(end.begin(), end.end(), suffix.begin(),
                    [](char a, char b) { return to_lower(a) == to_lower(b); });
}

bool is_plain_file_name(std::string_view name) {
  // A string of two characters: '/' and NUL.
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

Error error_in_file(const Error& error, std::string_view file_name) {
  const std::string quoted_name = quote(file_name);
  if (error.message().find(quoted_name) != std::string_view::npos) return error;
  return error.at(quoted_name);
}

}  // namespace qload
