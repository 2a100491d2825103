// What charts look like: classes of their elements, as style sheets for files and for pages.
#pragma once

#include <string>
#include <string_view>

#include "tools/chart/chart.h"

namespace qload::chart {

enum class Theme : uint8_t { kLight, kDark };

/// A class that fills, strokes or outlines an element in a colour.
std::string_view fill_class(Color color);
std::string_view stroke_class(Color color);
std::string_view outline_class(Color color);

/// For one chart as a file: light, and dark where its reader prefers that.
std::string chart_file_style();

/// For a page with charts: rules that take their colours from variables, once; and the variables
/// of a theme, "--chart-ink: #1c2128; ...".
std::string chart_page_style();
std::string chart_variables(Theme theme);

}  // namespace qload::chart
