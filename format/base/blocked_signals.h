// Threads of a library must not run the application's signal handlers.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace qload {

/// While it lives, threads that this thread starts have every signal blocked: handlers of the
/// application run on the application's own threads.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace qload
