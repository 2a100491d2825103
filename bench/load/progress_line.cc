#include "bench/load/progress_line.h"

#include <unistd.h>

#include <cstdio>

namespace qload::bench {

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { show(""); }

void ProgressLine::show(std::string_view what) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(what.size()), what.data());
  std::fflush(stderr);
}

}  // namespace qload::bench
