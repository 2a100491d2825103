// File names of model files, and errors that name their file once.
#pragma once

#include <string_view>

#include "qload/result.h"

namespace qload {

/// True when `name` ends with `suffix`; the case of ASCII letters does not count.
bool ends_with_ignoring_case(std::string_view name, std::string_view suffix);

/// True for one component of a path: not empty, no '/' and no NUL in it, neither "." nor "..".
bool is_plain_file_name(std::string_view name);

/// `error` with the file's name in front, unless its message has it already.
Error error_in_file(const Error& error, std::string_view file_name);

}  // namespace qload
