// What a page looks like to a browser: scripts that measure it, and their answers.
#pragma once

#include <string>
#include <vector>

#include "tests/report/browser.h"

namespace qload::test {

/// What is wrong with the layout, one line each: parts wider than the screen, charts without a
/// size, text too small to read, text that leaves its chart or lies on other text, colours that do
/// not stand out.
std::vector<std::string> find_layout_problems(BrowserPage& page);

/// What a screenshot shows.
struct ImageFacts {
  int width = 0;
  int height = 0;
  size_t color_count = 0;
  double common_share = 1;  ///< Of pixels that have the most common colour.
  double lightness = 0;     ///< Of that colour, from 0 to 1.
};

/// REQUIRES: `page` shows about:blank, which lets it decode images.
ImageFacts look_at(BrowserPage& page, const std::vector<std::byte>& png);

}  // namespace qload::test
