// Turnstile: how many loads run at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "qload/result.h"
#include "runtime/decode/decode_pool.h"
#include "runtime/io/read_engine.h"

namespace qload::internal {

/// Lets a few loads through at a time, in the order they came. Any thread may call it.
class Turnstile {
 public:
  static constexpr uint32_t kInsideMax = 8;
  static_assert(kInsideMax <= kFileSlots && kInsideMax <= DecodePool::kWorksMax);

  /// Waits for this caller's turn; kCancelled when `stop` is tripped first.
  Status enter(const std::stop_token& stop);
  void leave();

 private:
  /// On the stack of a caller that waits.
  struct Waiter {
    Waiter* next = nullptr;
  };
  void unlink(const Waiter* waiter);

  std::mutex mutex_;
  std::condition_variable turned_;
  Waiter* first_ = nullptr;  // Guarded by mutex_, like inside_.
  uint32_t inside_ = 0;
};

}  // namespace qload::internal
