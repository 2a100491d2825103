// Whether a text is well-formed XML, as far as generated documents go: one root element, tags that
// match, quoted attributes, the five entities and character numbers. No DTDs, comments or CDATA.
#pragma once

#include <string>
#include <string_view>

namespace qload::test {

/// What is wrong and where; empty when nothing is.
std::string find_xml_error(std::string_view document);

}  // namespace qload::test
