#include "runtime/load/turnstile.h"

#include <chrono>

#include "format/base/assert.h"

namespace qload::internal {

namespace {

// How often a waiting caller looks whether it was stopped.
constexpr std::chrono::milliseconds kStopInterval{50};

}  // namespace

Status Turnstile::enter(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  Waiter self;
  Waiter** end = &first_;
  while (*end != nullptr) end = &(*end)->next;
  *end = &self;
  while (first_ != &self || inside_ == kInsideMax) {
    if (stop.stop_requested()) {
      unlink(&self);
      return Error(ErrorCode::kCancelled, "cancelled while waiting for other loads to finish");
    }
    turned_.wait_for(lock, kStopInterval);
  }
  unlink(&self);
  ++inside_;
  return Ok{};
}

// Whoever is first now may have its turn.
void Turnstile::unlink(const Waiter* waiter) {
  Waiter** link = &first_;
  while (*link != waiter) link = &(*link)->next;
  *link = waiter->next;
  turned_.notify_all();
}

void Turnstile::leave() {
  const std::lock_guard lock(mutex_);
  QLOAD_ASSERT(inside_ > 0);
  --inside_;
  turned_.notify_all();
}

}  // namespace qload::internal
