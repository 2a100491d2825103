// A table for people: columns as wide as their widest cell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qload::tools {

/// Cells are text; a column is aligned to the right when its title starts with '>'.
class TextTable {
 public:
  explicit TextTable(const std::vector<std::string_view>& titles);
  /// REQUIRES: as many cells as titles.
  void add_row(std::vector<std::string> cells);
  /// Title line and rows, two spaces between columns, none at the end of a line.
  std::string render() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // The titles are row 0.
};

}  // namespace qload::tools
