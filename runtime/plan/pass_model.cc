#include "runtime/plan/pass_model.h"

#include <algorithm>
#include <deque>

namespace qload {
namespace {

class PassModel {
 public:
  explicit PassModel(uint64_t room) : room_(room) {}

  /// When the caller is done with the portion.
  double add(const PortionCost& portion) {
    double start = loader_free_;
    while (!held_.empty() && portion.memory_bytes > room_ - held_bytes_) {
      start = std::max(start, held_.front().until);
      held_bytes_ -= held_.front().bytes;
      held_.pop_front();
    }
    if (start > loader_free_ && portion.load_seconds > 0) start += kRefillSeconds;
    loader_free_ = start + portion.load_seconds;
    caller_free_ = std::max(loader_free_, caller_free_) + portion.compute_seconds;
    held_.push_back({caller_free_, portion.memory_bytes});
    held_bytes_ += portion.memory_bytes;
    return caller_free_;
  }

 private:
  struct Held {
    double until = 0;
    uint64_t bytes = 0;
  };

  uint64_t room_;
  uint64_t held_bytes_ = 0;
  std::deque<Held> held_;
  double loader_free_ = 0;
  double caller_free_ = 0;
};

}  // namespace

double model_pass_seconds(std::span<const PortionCost> portions, uint64_t room) {
  // Two passes bring the model to its steady state.
  constexpr int kWarmPasses = 2;
  PassModel model(room);
  double before = 0;
  double end = 0;
  for (int pass = 0; pass <= kWarmPasses; ++pass) {
    before = end;
    for (const PortionCost& portion : portions) end = model.add(portion);
  }
  return end - before;
}

}  // namespace qload
