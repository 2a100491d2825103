// A load that is stopped while it waits for staging memory must not keep others from it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string_view>
#include <thread>

#include "runtime/load/loader_state.h"
#include "tests/support/packed_model.h"

namespace qload {
namespace {

using test::PackedModel;
using test::TempDirectory;

/// A pread engine that trips a stop with the first read it is given.
class StoppingEngine : public ReadEngine {
 public:
  StoppingEngine(std::unique_ptr<ReadEngine> inner, std::stop_source& stop)
      : inner_(std::move(inner)), stop_(stop) {}
  IoBackend backend() const override { return inner_->backend(); }
  Status attach_at(uint32_t file, const ReadFiles& files) override {
    return inner_->attach_at(file, files);
  }
  void submit(const Read& read) override {
    inner_->submit(read);
    stop_.request_stop();
  }
  size_t wait(std::span<Completion> out) override { return inner_->wait(out); }
  void wake() override { inner_->wake(); }
  uint32_t depth() const override { return inner_->depth(); }
  uint32_t in_flight() const override { return inner_->in_flight(); }
  EngineCounters counters() const override { return inner_->counters(); }

 private:
  std::unique_ptr<ReadEngine> inner_;
  std::stop_source& stop_;
};

// The first load is refused staging memory and is next in turn. The second reads in place, takes
// the only place in flight and thereby stops the first, which is retired without being asked again.
TEST(LoaderTurn, AStoppedLoadGivesItsTurnBack) {
  const TempDirectory directory;
  const PackedModel packed = test::pack_loader_fixture(directory);
  std::stop_source stop;
  LoaderOptions options;
  options.io_backend = IoBackend::kPread;
  options.queue_depth = 1;
  options.staging_bytes = 1u << 20;
  auto made = internal::create_loader_state(
      options,
      [&stop](IoBackend, const EngineOptions& engine, int*) -> Result<std::unique_ptr<ReadEngine>> {
        auto inner = make_pread_engine(engine, 1);
        if (!inner.ok()) return std::move(inner).error();
        return std::unique_ptr<ReadEngine>(
            std::make_unique<StoppingEngine>(std::move(inner).value(), stop));
      });
  ASSERT_TRUE(made.ok());
  internal::LoaderState* const state = made->get();
  Loader loader = internal::LoaderAccess::make(std::move(made).value());
  auto model = Model::open(packed.path);
  ASSERT_TRUE(model.ok());
  const int holder = 0;
  const auto all = state->staging.acquire(state->staging.region_bytes_max(), &holder);
  ASSERT_TRUE(all);

  std::thread waiting([&] {
    LoadOptions load;
    load.stop = stop.get_token();
    const std::string_view names[] = {"model.embed_tokens.weight"};
    auto weights = loader.load(*model, names, load);
    ASSERT_FALSE(weights.ok());
    EXPECT_EQ(weights.error().code(), ErrorCode::kCancelled);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // Until it waits, or it does later.
  std::thread in_place([&] {
    // Its reads of unaligned ends wait for staging memory, too: it ends when that is free.
    const std::string_view names[] = {"lm_head.raw"};
    EXPECT_TRUE(loader.load(*model, names).ok());
  });
  waiting.join();
  state->staging.release(*all);
  in_place.join();
  // With a fresh address for its session: whoever holds the turn is known by address.
  auto padding = std::make_unique<char[]>(4096);
  auto weights = loader.load(*model);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  test::expect_weights(*weights, packed);
}

}  // namespace
}  // namespace qload
