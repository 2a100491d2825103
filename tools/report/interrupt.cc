#include "tools/report/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tools/report/exit_code.h"

namespace qload::tools {
namespace {

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction action = {};
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    sigaddset(&set, number);
  }
  // Wakes the watcher when the process ends; nobody else uses it.
  sigaddset(&set, SIGUSR2);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  closing_ = true;
  pthread_kill(watcher_.native_handle(), SIGUSR2);
  watcher_.join();
}

void Interrupt::watch() {
  const sigset_t set = watched_signals();
  while (!closing_) {
    int number = 0;
    if (sigwait(&set, &number) != 0 || number == SIGUSR2) continue;
    if (signal_number_ != 0) _exit(kExitSignal + number);
    signal_number_ = number;
    source_.request_stop();
  }
}

}  // namespace qload::tools
