// A headless Chromium, driven through its DevTools protocol over pipes: no port, no driver program.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/test_files.h"

namespace qload::test {

inline constexpr const char* kNoBrowser =
    "no chromium here (install it, or set QLOAD_CHROMIUM to one)";

/// The program: $QLOAD_CHROMIUM, or chromium or google-chrome on the PATH; empty without any.
std::string find_browser();

/// One browser process with a profile of its own. One thread.
class Browser {
 public:
  /// Null, with a failure of the running test, when it does not start.
  static std::unique_ptr<Browser> start(const std::string& program);
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  /// Calls a method of the protocol and returns its result; fails the test and returns {} on an
  /// error. `session` is that of a page, or empty.
  nlohmann::json call(const std::string& method, const nlohmann::json& parameters,
                      const std::string& session);
  /// The next event of that name from `session`, waited for; fails the test when none comes in two
  /// minutes.
  nlohmann::json wait_for(const std::string& event, const std::string& session);
  /// Events since the last call that were not waited for.
  std::vector<nlohmann::json> take_events(const std::string& session);

 private:
  Browser() = default;
  bool launch(const std::string& program);
  nlohmann::json receive();

  TempDirectory profile_;
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  int last_id_ = 0;
  std::string received_;  // Bytes after the last whole message.
  std::vector<nlohmann::json> events_;
};

struct Viewport {
  int width = 1280;
  int height = 900;
  bool dark = false;
  bool scripts = true;
};

/// One tab. The browser outlives it.
class BrowserPage {
 public:
  BrowserPage(Browser& browser, const Viewport& viewport);
  ~BrowserPage();

  /// Opens a file and waits until it is loaded.
  void open(const std::filesystem::path& path);
  /// What a script in the page gives back; promises are awaited.
  nlohmann::json evaluate(const std::string& expression);
  /// Moves the pointer there.
  void point_at(double x, double y);
  /// The whole page as a PNG file; at most `height_max` of its height.
  std::vector<std::byte> screenshot(int height_max);
  /// Complaints on the console, exceptions, and requests for anything but the opened file.
  std::vector<std::string> take_problems();

 private:
  Browser& browser_;
  std::string target_;
  std::string session_;
  std::string url_;
};

}  // namespace qload::test
