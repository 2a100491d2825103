// What all printed reports have in common: facts line by line, tables, in plain text or Markdown.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/machine.h"

namespace qload::bench {

enum class TableStyle : uint8_t { kText, kMarkdown };

/// As printf, at most 511 characters.
[[gnu::format(printf, 1, 2)]] std::string print(const char* format, ...);

/// "key   value" lines, or a list in Markdown.
class Facts {
 public:
  Facts(std::ostream& out, TableStyle style) : out_(out), style_(style) {}
  void add(std::string_view key, const std::string& value);

 private:
  std::ostream& out_;
  const TableStyle style_;
};

/// Processor, memory, kernel and compiler.
void print_machine(const Machine& machine, Facts& facts);

/// One row of a table: the first column to the left, the others to the right.
void print_row(const std::vector<std::string>& row, TableStyle style, std::ostream& out);
/// The titles and, in Markdown, the line under them.
void print_titles(const std::vector<std::string>& titles, TableStyle style, std::ostream& out);

}  // namespace qload::bench
