#include "bench/load/bench_interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace qload::bench {
namespace {

sigset_t interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  // Threads made from here on inherit the mask, so that only the waiting thread sees a signal.
  const sigset_t set = interrupts();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { wait_for_signal(); });
}

InterruptGuard::~InterruptGuard() {
  closing_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  const sigset_t set = interrupts();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

uint64_t InterruptGuard::add(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  actions_.emplace(next_id_, std::move(action));
  return next_id_++;
}

void InterruptGuard::remove(uint64_t id) {
  const std::lock_guard lock(mutex_);
  actions_.erase(id);
}

void InterruptGuard::wait_for_signal() {
  const sigset_t set = interrupts();
  int signal_number = 0;
  while (sigwait(&set, &signal_number) != 0) {
  }
  if (closing_) return;
  const std::lock_guard lock(mutex_);
  for (auto action = actions_.rbegin(); action != actions_.rend(); ++action) action->second();
  _exit(128 + signal_number);
}

}  // namespace qload::bench
