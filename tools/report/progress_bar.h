// A bar on stderr with bytes, rate and time left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace qload::tools {

enum class ProgressMode : uint8_t {
  kTerminal,  ///< Only when stderr is a terminal.
  kAlways,
  kNever,
};

/// Draws at most ten times a second. Erased when it goes out of scope, so that what is printed
/// next starts on a clean line. One thread at a time.
class ProgressBar {
 public:
  ProgressBar(ProgressMode mode, std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(uint64_t bytes_done, uint64_t bytes_total);

 private:
  bool enabled_;
  bool drawn_ = false;
  std::string title_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

/// The text of a bar, without control characters: "pack [#####     ]  50 %  1.0 MB of ...".
std::string render_progress(const std::string& title, uint64_t bytes_done, uint64_t bytes_total,
                            double seconds);

}  // namespace qload::tools
