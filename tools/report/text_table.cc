#include "tools/report/text_table.h"

#include <algorithm>
#include <utility>

#include "format/base/assert.h"

namespace qload::tools {

TextTable::TextTable(const std::vector<std::string_view>& titles) {
  std::vector<std::string> cells;
  for (std::string_view title : titles) {
    right_.push_back(title.starts_with('>'));
    if (right_.back()) title.remove_prefix(1);
    cells.emplace_back(title);
  }
  rows_.push_back(std::move(cells));
}

void TextTable::add_row(std::vector<std::string> cells) {
  QLOAD_ASSERT(cells.size() == right_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::render() const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string gap(widths[i] - row[i].size(), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? gap + row[i] : row[i] + gap;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line;
    out += '\n';
  }
  return out;
}

}  // namespace qload::tools
