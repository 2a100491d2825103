// A Loader whose reads fail when a test says so.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/load/loader_state.h"

namespace qload::test {

/// The errno with which a read fails; 0: it is done. Called on the I/O thread.
using ReadFate = std::function<int(const Read& read)>;

/// pread threads, before which some reads fail.
class FailingEngine : public ReadEngine {
 public:
  FailingEngine(std::unique_ptr<ReadEngine> inner, ReadFate fate)
      : inner_(std::move(inner)), fate_(std::move(fate)) {}

  IoBackend backend() const override { return IoBackend::kPread; }
  Status attach_at(uint32_t file, const ReadFiles& files) override {
    return inner_->attach_at(file, files);
  }
  void wake() override { inner_->wake(); }
  void submit(const Read& read) override {
    const int error_number = fate_(read);
    if (error_number == 0) return inner_->submit(read);
    failed_.push_back({read.tag, error_number, 0});
  }
  size_t wait(std::span<Completion> out) override {
    if (failed_.empty()) return inner_->wait(out);
    out[0] = failed_.back();
    failed_.pop_back();
    return 1;
  }
  uint32_t depth() const override { return inner_->depth(); }
  uint32_t in_flight() const override {
    return inner_->in_flight() + static_cast<uint32_t>(failed_.size());
  }
  EngineCounters counters() const override { return inner_->counters(); }

 private:
  std::unique_ptr<ReadEngine> inner_;
  ReadFate fate_;
  std::vector<Completion> failed_;
};

inline Loader make_failing_loader(LoaderOptions options, const ReadFate& fate) {
  options.io_backend = IoBackend::kPread;
  const auto make = [fate](IoBackend, const EngineOptions& engine,
                           int*) -> Result<std::unique_ptr<ReadEngine>> {
    auto inner = make_pread_engine(engine, 4);
    if (!inner.ok()) return std::move(inner).error();
    return std::unique_ptr<ReadEngine>(new FailingEngine(std::move(inner).value(), fate));
  };
  auto state = internal::create_loader_state(options, make);
  EXPECT_TRUE(state.ok());
  return internal::LoaderAccess::make(std::move(state).value());
}

}  // namespace qload::test
