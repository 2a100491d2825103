// Tables of a report's page.
#pragma once

#include <string>

#include "tools/analyze/analysis_rows.h"
#include "tools/analyze/report_figures.h"

namespace qload::analyze {

/// Escaped, with places where a name may be broken into lines: behind dots, slashes and the like.
std::string breakable_markup(std::string_view text);

/// Tables have at most this many rows: a browser takes seconds for tens of thousands.
inline constexpr uint64_t kTableRowsMax = 2000;

/// The numbers behind a figure, in a box of their own that scrolls. `label` says what they are.
std::string number_table_html(const NumberTable& table, std::string_view label);

/// The largest tensors of a model: those whose names match `pattern`, with what a script needs to
/// sort and filter them.
std::string tensor_table_html(const ModelAnalysis& analysis, const std::string& pattern);

}  // namespace qload::analyze
