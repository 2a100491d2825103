#include "tools/report/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

constexpr auto kDrawInterval = std::chrono::milliseconds(100);
constexpr size_t kBarWidth = 24;
// "Erase the line from its start": ECMA-48, EL.
constexpr const char* kEraseLine = "\r\033[K";

}  // namespace

ProgressBar::ProgressBar(ProgressMode mode, std::string title)
    : enabled_(mode == ProgressMode::kAlways ||
               (mode == ProgressMode::kTerminal && isatty(STDERR_FILENO) != 0)),
      title_(std::move(title)),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs(kEraseLine, stderr);
}

void ProgressBar::update(uint64_t bytes_done, uint64_t bytes_total) {
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && bytes_done < bytes_total && now - last_ < kDrawInterval) return;
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line = kEraseLine + render_progress(title_, bytes_done, bytes_total, seconds);
  std::fputs(line.c_str(), stderr);
}

std::string render_progress(const std::string& title, uint64_t bytes_done, uint64_t bytes_total,
                            double seconds) {
  const double share =
      bytes_total == 0
          ? 1.0
          : std::min(1.0, static_cast<double>(bytes_done) / static_cast<double>(bytes_total));
  const auto filled = static_cast<size_t>(share * static_cast<double>(kBarWidth));
  std::string line = text(title, " [", std::string(filled, '#'),
                          std::string(kBarWidth - filled, ' '), "] ", format_fixed(100 * share, 0),
                          " %  ", format_size(bytes_done), " of ", format_size(bytes_total));
  if (seconds <= 0 || bytes_done == 0) return line;
  const double rate = static_cast<double>(bytes_done) / seconds;
  line += text("  ", format_rate(rate));
  if (bytes_done < bytes_total) {
    const double left = static_cast<double>(bytes_total - bytes_done) / rate;
    line += text("  ", format_seconds(left), " left");
  }
  return line;
}

}  // namespace qload::tools
