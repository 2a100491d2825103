// Text within XML and HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qload::chart {

/// `text` as it may stand between tags or in a quoted attribute: markup is escaped; what is not
/// UTF-8, and characters that XML has no form for, become U+FFFD; tabs and line ends become spaces.
/// Marks that turn the direction of text become U+FFFD as well: a name must not rearrange its
/// neighbours.
std::string escape_markup(std::string_view text);

/// The characters of a text, one code point each. Bytes that are not UTF-8 are characters or parts
/// of their neighbours.
std::vector<std::string_view> split_characters(std::string_view text);

}  // namespace qload::chart
