// Both read engines as a test parameter, and small helpers to read through one.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "format/base/file.h"
#include "runtime/io/direct_io.h"
#include "runtime/io/read_engine.h"

namespace qload::test {

enum class EngineKind { kUring, kPread };

inline Result<std::unique_ptr<ReadEngine>> make_engine(EngineKind kind,
                                                       const EngineOptions& options) {
  if (kind == EngineKind::kUring) return make_uring_engine(options, nullptr);
  return make_pread_engine(options, 4);
}

/// Zeroed memory on a 64 KiB boundary: fit for any direct read.
class AlignedMemory {
 public:
  explicit AlignedMemory(size_t bytes)
      : bytes_(bytes), data_(new (std::align_val_t(kAlignment)) std::byte[bytes]()) {}
  ~AlignedMemory() { operator delete[](data_, std::align_val_t(kAlignment)); }
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;
  std::byte* data() { return data_; }
  std::span<std::byte> span() { return {data_, bytes_}; }

 private:
  static constexpr size_t kAlignment = 65536;
  size_t bytes_;
  std::byte* data_;
};

/// Submits one read and waits for it. REQUIRES: nothing else in flight.
inline Completion read_once(ReadEngine& engine, const Read& read) {
  engine.submit(read);
  std::array<Completion, 4> done;
  EXPECT_EQ(engine.wait(done), 1u);
  EXPECT_EQ(done[0].tag, read.tag);
  return done[0];
}

/// Asked without the engine, so that a broken one is not taken for a refused one.
inline bool kernel_grants_uring(uint32_t entries) {
  uint32_t parameters[30] = {};  // struct io_uring_params: 120 bytes, all defaults.
  const long ring = syscall(SYS_io_uring_setup, entries, parameters);
  if (ring < 0) return false;
  close(static_cast<int>(ring));
  return true;
}

/// A suite over both engines; io_uring's half skips where the kernel refuses it.
class EngineSuite : public ::testing::TestWithParam<EngineKind> {
 protected:
  /// Null (and the test skipped) where the kernel refuses.
  std::unique_ptr<ReadEngine> make(const EngineOptions& options = {}) {
    auto engine = make_engine(GetParam(), options);
    if (engine.ok()) return std::move(engine).value();
    if (engine.error().code() == ErrorCode::kUnsupported &&
        !kernel_grants_uring(options.queue_depth)) {
      skip_reason_ = std::string(engine.error().message());
    } else {
      ADD_FAILURE() << engine.error().message();
    }
    return nullptr;
  }
  std::string skip_reason_;
};

/// Binds `name` to an engine of the suite's kind, or skips the test.
#define QLOAD_ENGINE(name, ...)  \
  auto name = make(__VA_ARGS__); \
  if (name == nullptr) GTEST_SKIP() << skip_reason_;

#define QLOAD_BOTH_ENGINES(suite)                                                              \
  INSTANTIATE_TEST_SUITE_P(                                                                    \
      Engines, suite,                                                                          \
      ::testing::Values(::qload::test::EngineKind::kUring, ::qload::test::EngineKind::kPread), \
      [](const auto& kind) {                                                                   \
        return kind.param == ::qload::test::EngineKind::kUring ? "Uring" : "Pread";            \
      })

}  // namespace qload::test
