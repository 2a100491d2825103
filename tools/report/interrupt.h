// SIGINT and SIGTERM as a stop request: the first asks, the second kills at once.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace qload::tools {

/// Blocks both signals in the calling thread, and so in every thread started after it, and waits
/// for them in a thread of its own. Create one, first thing in main. A signal that is ignored
/// from the start (nohup, a shell's background job) stays ignored.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// The signal that asked to stop, or 0.
  int signal_number() const { return signal_number_; }

 private:
  void watch();
  std::stop_source source_;
  std::atomic<int> signal_number_ = 0;
  std::atomic<bool> closing_ = false;
  std::thread watcher_;
};

}  // namespace qload::tools
