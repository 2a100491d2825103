// One line on stderr that says what runs now; silent unless stderr is a terminal.
#pragma once

#include <string_view>

namespace qload::bench {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  ///< Clears the line.
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::string_view what);

 private:
  const bool terminal_;
};

}  // namespace qload::bench
