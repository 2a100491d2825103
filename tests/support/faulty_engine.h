// Engines that fail, delay and reorder, and loaders on them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "runtime/load/loader_state.h"

namespace qload::test {

/// What happens to read number `n` (in order of submission): 0: it is done, else it fails with
/// that errno.
using Fate = std::function<int(uint64_t n, const Read& read)>;

/// A pread engine between whose reads and completions a test decides.
class FaultyEngine : public ReadEngine {
 public:
  FaultyEngine(std::unique_ptr<ReadEngine> inner, Fate fate, uint64_t shuffle_seed)
      : inner_(std::move(inner)), fate_(std::move(fate)), generator_(shuffle_seed) {}

  IoBackend backend() const override { return IoBackend::kPread; }
  Status attach_at(uint32_t file, const ReadFiles& files) override {
    return inner_->attach_at(file, files);
  }
  void wake() override { inner_->wake(); }
  void submit(const Read& read) override {
    const int error_number = fate_(count_++, read);
    if (error_number == 0) {
      inner_->submit(read);
    } else {
      failed_.push_back({read.tag, error_number, 0});
    }
  }
  // Failures first or last, and what finished together in any order.
  size_t wait(std::span<Completion> out) override {
    size_t count = 0;
    if (inner_->in_flight() > 0 && (failed_.empty() || generator_() % 2 == 0)) {
      count = inner_->wait(out);
    }
    while (!failed_.empty() && count < out.size()) {
      out[count++] = failed_.back();
      failed_.pop_back();
    }
    std::shuffle(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count), generator_);
    return count;
  }
  uint32_t depth() const override { return inner_->depth(); }
  uint32_t in_flight() const override {
    return inner_->in_flight() + static_cast<uint32_t>(failed_.size());
  }
  EngineCounters counters() const override { return inner_->counters(); }

 private:
  std::unique_ptr<ReadEngine> inner_;
  Fate fate_;
  std::vector<Completion> failed_;
  uint64_t count_ = 0;
  std::mt19937_64 generator_;
};

/// A loader whose pread engine fares as `fate` says, and completes in any order.
inline Loader make_faulty_loader(Fate fate, LoaderOptions options = {}) {
  options.io_backend = IoBackend::kPread;
  auto state = internal::create_loader_state(
      options,
      [fate](IoBackend, const EngineOptions& engine, int*) -> Result<std::unique_ptr<ReadEngine>> {
        auto inner = make_pread_engine(engine, 4);
        if (!inner.ok()) return inner.error();
        return std::unique_ptr<ReadEngine>(new FaultyEngine(std::move(inner).value(), fate, 4711));
      });
  EXPECT_TRUE(state.ok());
  return internal::LoaderAccess::make(std::move(state).value());
}

}  // namespace qload::test
