// The parts of a report's page that do not depend on the model.
#pragma once

#include <string>
#include <string_view>

namespace qload::analyze {

/// Its style sheet, charts included: light and dark as the reader prefers, or as data-theme on the
/// root element says.
std::string page_style();

/// What a page with scripts can do besides: notes where the pointer is, rows sorted and filtered,
/// a choice of theme. It makes no requests, and sets text, never markup.
std::string_view page_script();

}  // namespace qload::analyze
