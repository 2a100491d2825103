#include "bench/load/report_table.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "format/base/format_text.h"

namespace qload::bench {

std::string print(const char* format, ...) {
  std::array<char, 512> buffer;
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  va_end(arguments);
  return std::string(buffer.data(), std::min<size_t>(std::max(length, 0), buffer.size() - 1));
}

void Facts::add(std::string_view key, const std::string& value) {
  if (style_ == TableStyle::kMarkdown) {
    out_ << "- " << key << ": " << value << '\n';
  } else {
    out_ << print("%-14s ", std::string(key).c_str()) << value << '\n';
  }
}

void print_machine(const Machine& machine, Facts& facts) {
  facts.add("cpu", text(machine.cpu, ", ", machine.processors, " processors, virtual machine: ",
                        machine.virtualised, ", governor: ", machine.governor));
  facts.add("memory", print("%.1f GB, %.1f GB available, huge pages: %s, memlock: %s",
                            static_cast<double>(machine.memory_bytes) / 1e9,
                            static_cast<double>(machine.memory_available_bytes) / 1e9,
                            machine.huge_pages.c_str(), machine.memlock.c_str()));
  facts.add("kernel", machine.kernel);
  facts.add("compiler", machine.compiler);
}

void print_row(const std::vector<std::string>& row, TableStyle style, std::ostream& out) {
  if (style == TableStyle::kMarkdown) {
    out << "|";
    for (const std::string& cell : row) out << ' ' << cell << " |";
    out << '\n';
    return;
  }
  out << print("%-18s", row[0].c_str());
  for (size_t column = 1; column < row.size(); ++column) out << print(" %9s", row[column].c_str());
  out << '\n';
}

void print_titles(const std::vector<std::string>& titles, TableStyle style, std::ostream& out) {
  print_row(titles, style, out);
  if (style != TableStyle::kMarkdown) return;
  std::vector<std::string> line(titles.size(), "---:");
  line[0] = "---";
  print_row(line, style, out);
}

}  // namespace qload::bench
