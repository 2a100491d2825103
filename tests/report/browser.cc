#include "tests/report/browser.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

namespace qload::test {
namespace {

using nlohmann::json;

// A busy machine starts a browser in several seconds. No answer for so long is none.
constexpr int kAnswerMilliseconds = 120'000;

std::vector<std::byte> from_base64(const std::string& text) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const char* digit = std::strchr(kDigits, letter);
    if (digit == nullptr || letter == '\0') break;
    bits = bits << 6 | static_cast<uint32_t>(digit - kDigits);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::byte>(bits >> count & 0xFF));
  }
  return bytes;
}

}  // namespace

std::string find_browser() {
  if (const char* chosen = std::getenv("QLOAD_CHROMIUM")) return chosen;
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      const std::string program = directory + "/" + name;
      if (access(program.c_str(), X_OK) == 0) return program;
    }
  }
  return {};
}

std::unique_ptr<Browser> Browser::start(const std::string& program) {
  std::unique_ptr<Browser> browser(new Browser());
  signal(SIGPIPE, SIG_IGN);  // A browser that died is a failed call.
  if (!browser->launch(program)) return nullptr;
  const json version = browser->call("Browser.getVersion", json::object(), "");
  if (!version.contains("product")) return nullptr;
  return browser;
}

// The protocol's pipes are descriptors 3 and 4 of the browser.
bool Browser::launch(const std::string& program) {
  std::array<int, 2> down;
  std::array<int, 2> up;
  if (pipe2(down.data(), O_CLOEXEC) != 0 || pipe2(up.data(), O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipes";
    return false;
  }
  // Away from 3 and 4, so that neither dup2 below overwrites the other's source.
  const int browser_reads = fcntl(down[0], F_DUPFD_CLOEXEC, 10);
  const int browser_writes = fcntl(up[1], F_DUPFD_CLOEXEC, 10);
  close(down[0]);
  close(up[1]);
  to_ = down[1];
  from_ = up[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const std::string log = profile_ / "browser.log";
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_adddup2(&actions, browser_reads, 3);
  posix_spawn_file_actions_adddup2(&actions, browser_writes, 4);
  const std::string profile = "--user-data-dir=" + (profile_ / "profile").string();
  // It opens files of the tests only; its sandbox does not work for root or within containers.
  const std::vector<std::string> words = {program,
                                          "--headless=new",
                                          "--no-sandbox",
                                          "--disable-gpu",
                                          "--disable-dev-shm-usage",
                                          "--disable-background-networking",
                                          "--disable-component-update",
                                          "--no-first-run",
                                          "--hide-scrollbars",
                                          "--remote-debugging-pipe",
                                          profile,
                                          "about:blank"};
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int failed = posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(browser_reads);
  close(browser_writes);
  if (failed == 0) return true;
  pid_ = -1;
  ADD_FAILURE() << "cannot start " << program << ": " << std::strerror(failed);
  return false;
}

// Both pipes closed tell the browser to end; it is killed when it has not after a while.
Browser::~Browser() {
  if (to_ >= 0) close(to_);
  if (from_ >= 0) close(from_);
  if (pid_ < 0) return;
  for (int tenth = 0; tenth < 100; ++tenth) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

/// The next message; null, with a failure, when none comes.
json Browser::receive() {
  while (true) {
    const size_t end = received_.find('\0');
    if (end != std::string::npos) {
      json message = json::parse(received_.substr(0, end), nullptr, false);
      received_.erase(0, end + 1);
      if (!message.is_discarded()) return message;
      ADD_FAILURE() << "the browser sent no JSON";
      return nullptr;
    }
    pollfd ready = {from_, POLLIN, 0};
    std::array<char, 1 << 16> part;
    const ssize_t count =
        poll(&ready, 1, kAnswerMilliseconds) > 0 ? read(from_, part.data(), part.size()) : 0;
    if (count <= 0) {
      ADD_FAILURE() << "the browser does not answer";
      return nullptr;
    }
    received_.append(part.data(), static_cast<size_t>(count));
  }
}

json Browser::call(const std::string& method, const json& parameters, const std::string& session) {
  json request = {{"id", ++last_id_}, {"method", method}, {"params", parameters}};
  if (!session.empty()) request["sessionId"] = session;
  std::string message = request.dump();
  message += '\0';
  for (std::string_view rest = message; !rest.empty();) {
    const ssize_t count = write(to_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      ADD_FAILURE() << "cannot talk to the browser";
      return json::object();
    }
    rest.remove_prefix(static_cast<size_t>(count));
  }
  while (true) {
    json answer = receive();
    if (answer.is_null()) return json::object();
    if (answer.value("id", 0) == last_id_) {
      EXPECT_FALSE(answer.contains("error")) << method << ": " << answer.dump();
      return answer.value("result", json::object());
    }
    if (answer.contains("method")) events_.push_back(std::move(answer));
  }
}

json Browser::wait_for(const std::string& event, const std::string& session) {
  const auto is_wanted = [&](const json& candidate) {
    return candidate["method"] == event && candidate.value("sessionId", "") == session;
  };
  while (true) {
    const auto found = std::find_if(events_.begin(), events_.end(), is_wanted);
    if (found != events_.end()) {
      json result = std::move(*found);
      events_.erase(found);
      return result;
    }
    json message = receive();
    if (message.is_null()) return json::object();
    if (message.contains("method")) events_.push_back(std::move(message));
  }
}

std::vector<json> Browser::take_events(const std::string& session) {
  std::vector<json> taken;
  std::erase_if(events_, [&](json& event) {
    if (event.value("sessionId", "") != session) return false;
    taken.push_back(std::move(event));
    return true;
  });
  return taken;
}

BrowserPage::BrowserPage(Browser& browser, const Viewport& viewport) : browser_(browser) {
  target_ =
      browser_.call("Target.createTarget", {{"url", "about:blank"}}, "").value("targetId", "");
  session_ = browser_.call("Target.attachToTarget", {{"targetId", target_}, {"flatten", true}}, "")
                 .value("sessionId", "");
  for (const char* domain : {"Page", "Runtime", "Log", "Network"}) {
    browser_.call(std::string(domain) + ".enable", json::object(), session_);
  }
  browser_.call("Emulation.setDeviceMetricsOverride",
                {{"width", viewport.width},
                 {"height", viewport.height},
                 {"deviceScaleFactor", 1},
                 {"mobile", viewport.width < 600}},
                session_);
  const json scheme = {{"name", "prefers-color-scheme"},
                       {"value", viewport.dark ? "dark" : "light"}};
  browser_.call("Emulation.setEmulatedMedia", {{"features", json::array({scheme})}}, session_);
  browser_.call("Emulation.setScriptExecutionDisabled", {{"value", !viewport.scripts}}, session_);
}

BrowserPage::~BrowserPage() {
  browser_.call("Target.closeTarget", {{"targetId", target_}}, "");
  browser_.take_events(session_);
}

void BrowserPage::open(const std::filesystem::path& path) {
  browser_.take_events(session_);
  url_ = "file://" + std::filesystem::absolute(path).string();
  browser_.call("Page.navigate", {{"url", url_}}, session_);
  browser_.wait_for("Page.loadEventFired", session_);
}

json BrowserPage::evaluate(const std::string& expression) {
  const json result = browser_.call(
      "Runtime.evaluate",
      {{"expression", expression}, {"returnByValue", true}, {"awaitPromise", true}}, session_);
  EXPECT_FALSE(result.contains("exceptionDetails")) << result.dump(1);
  return result.value("result", json::object()).value("value", json());
}

void BrowserPage::point_at(double x, double y) {
  browser_.call("Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", x}, {"y", y}}, session_);
}

std::vector<std::byte> BrowserPage::screenshot(int height_max) {
  const json size = evaluate("[innerWidth, document.documentElement.scrollHeight]");
  if (!size.is_array()) return {};
  const int height = std::min(size[1].get<int>(), height_max);
  const json clip = {{"x", 0}, {"y", 0}, {"width", size[0]}, {"height", height}, {"scale", 1}};
  const json shot =
      browser_.call("Page.captureScreenshot",
                    {{"format", "png"}, {"captureBeyondViewport", true}, {"clip", clip}}, session_);
  return from_base64(shot.value("data", ""));
}

std::vector<std::string> BrowserPage::take_problems() {
  std::vector<std::string> problems;
  const std::vector<json> events = browser_.take_events(session_);
  // What the page's own policy stopped went nowhere.
  std::vector<std::string> stopped;
  for (const json& event : events) {
    if (event["method"] == "Network.loadingFailed" &&
        event["params"].value("blockedReason", "") == "csp") {
      stopped.push_back(event["params"].value("requestId", ""));
    }
  }
  for (const json& event : events) {
    const std::string method = event["method"];
    const json& parameters = event["params"];
    if (method == "Network.requestWillBeSent") {
      const std::string url = parameters["request"].value("url", "");
      const bool is_stopped = std::ranges::count(stopped, parameters.value("requestId", "")) > 0;
      if (url != url_ && !is_stopped) problems.push_back("request for " + url);
    } else if (method == "Runtime.exceptionThrown" || method == "Log.entryAdded" ||
               method == "Runtime.consoleAPICalled") {
      problems.push_back(method + " " + parameters.dump());
    }
  }
  return problems;
}

}  // namespace qload::test
