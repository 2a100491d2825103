// Both read engines on one file: direct and buffered, by read size and queue depth.
//
//   qload_micro_io [--directory=DIR] [--megabytes=N] [Google Benchmark's options]
//
// Every run first reads the file once with its content checked, then is timed without the check.
// "cold" drops the file from the page cache before each pass; "warm" reads it from there. Memory
// is in huge pages (a direct read into 4 KiB pages is cut where the drive takes no more segments);
// "direct_4k" shows what that is worth. Storage
// rates drift: run with --benchmark_enable_random_interleaving=true --benchmark_repetitions=5 and
// compare ratios within one run.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "runtime/io/direct_io.h"
#include "runtime/io/read_engine.h"

namespace qload {
namespace {

// What the loader stages by default, so that the cache behaves as in a load.
constexpr uint64_t kStagingBytes = 32 << 20;
constexpr uint64_t kHugePageBytes = 2 << 20;

/// The 8 bytes at `offset`, a multiple of 8: the offset, scrambled so that no page repeats.
uint64_t word_at(uint64_t offset) { return (offset + 1) * 0x9e3779b97f4a7c15u; }

struct TestFile {
  std::filesystem::path path;
  uint64_t bytes = 256ull << 20;
  int descriptor = -1;
  DirectFile direct;
  std::string direct_refusal;

  bool create() {
    descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) return false;
    std::vector<uint64_t> block((1 << 20) / sizeof(uint64_t));
    for (uint64_t offset = 0; offset < bytes; offset += 1 << 20) {
      for (size_t i = 0; i < block.size(); ++i) block[i] = word_at(offset + 8 * i);
      if (pwrite(descriptor, block.data(), 1 << 20, static_cast<off_t>(offset)) != 1 << 20) {
        return false;
      }
    }
    if (fsync(descriptor) != 0) return false;
    auto opened = DirectFile::open(descriptor);
    if (opened.ok()) {
      direct = std::move(opened).value();
    } else {
      direct_refusal = std::string(opened.error().message());
    }
    return true;
  }
  ~TestFile() {
    if (descriptor >= 0) {
      close(descriptor);
      std::filesystem::remove(path);
    }
  }
};

struct Case {
  IoBackend backend;
  uint32_t read_bytes;
  uint32_t depth;
  bool direct;
  bool cold;
  bool huge_pages;
};

/// Anonymous memory on a huge page's border, touched.
class Staging {
 public:
  Staging(uint64_t bytes, bool huge_pages) : mapped_bytes_(bytes + kHugePageBytes) {
    mapped_ =
        mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) return;
    madvise(mapped_, mapped_bytes_, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    const auto start = align_up(reinterpret_cast<uintptr_t>(mapped_), kHugePageBytes);
    span_ = {reinterpret_cast<std::byte*>(start), bytes};
    std::fill(span_.begin(), span_.end(), std::byte{0});
  }
  ~Staging() {
    if (mapped_ != MAP_FAILED) munmap(mapped_, mapped_bytes_);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  std::span<std::byte> span() const { return span_; }

 private:
  uint64_t mapped_bytes_;
  void* mapped_;
  std::span<std::byte> span_;
};

bool content_is_right(const Read& read) {
  for (uint32_t at = 0; at < read.bytes; at += 8) {
    uint64_t word;
    std::memcpy(&word, read.data + at, sizeof word);
    if (word != word_at(read.offset + at)) return false;
  }
  return true;
}

/// Reads the whole file once in order; false on any failed read or, with `check`, wrong byte.
bool read_all(ReadEngine& engine, const TestFile& file, const Case& one, std::byte* staging,
              bool check) {
  std::vector<Read> slots(one.depth);
  std::vector<Completion> done(one.depth);
  uint64_t offset = 0;
  bool right = true;
  const auto start = [&](uint32_t slot) {
    const auto bytes =
        static_cast<uint32_t>(std::min<uint64_t>(one.read_bytes, file.bytes - offset));
    slots[slot] = {.offset = offset,
                   .data = staging + uint64_t{slot} * one.read_bytes,
                   .bytes = bytes,
                   .bytes_required = bytes,
                   .tag = slot,
                   .direct = one.direct};
    engine.submit(slots[slot]);
    offset += bytes;
  };
  for (uint32_t slot = 0; slot < one.depth && offset < file.bytes; ++slot) start(slot);
  while (engine.in_flight() > 0) {
    const size_t count = engine.wait(done);
    for (size_t i = 0; i < count; ++i) {
      right &= done[i].error_number == 0;
      if (check) right &= content_is_right(slots[done[i].tag]);
      if (offset < file.bytes) start(done[i].tag);
    }
  }
  return right;
}

void run_case(benchmark::State& state, const TestFile& file, const Case& one) {
  if (one.direct && file.direct.descriptor() < 0) {
    return state.SkipWithError(file.direct_refusal.c_str());
  }
  const Staging staging(std::max<uint64_t>(kStagingBytes, uint64_t{one.depth} * one.read_bytes),
                        one.huge_pages);
  if (staging.span().empty()) return state.SkipWithError("no memory");
  const EngineOptions options = {.queue_depth = one.depth, .staging = staging.span()};
  auto made = one.backend == IoBackend::kUring ? make_uring_engine(options, nullptr)
                                               : make_pread_engine(options, one.depth);
  if (!made.ok()) return state.SkipWithError(std::string(made.error().message()).c_str());
  ReadEngine& engine = *made.value();
  const Status attached = engine.attach({.buffered = file.descriptor,
                                         .direct = file.direct.descriptor(),
                                         .direct_alignment = file.direct.alignment()});
  // The check reads the drive where the timed pass does: a drive with a rate limit saves up
  // whatever it is not asked for.
  if (one.cold) posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED);
  if (!attached.ok() || !read_all(engine, file, one, staging.span().data(), true)) {
    return state.SkipWithError("wrong answer");
  }
  for (auto _ : state) {
    if (one.cold) {
      state.PauseTiming();
      posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED);
      if (file_is_cached(file.descriptor, 0, file.bytes)) {
        state.SkipWithError("the file stays in the page cache");
        break;
      }
      state.ResumeTiming();
    }
    if (!read_all(engine, file, one, staging.span().data(), false)) {
      state.SkipWithError("a read failed");
      break;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * file.bytes));
  state.counters["registered"] = engine.buffers_registered() ? 1 : 0;
}

void register_cases(const TestFile& file) {
  for (const auto backend : {IoBackend::kUring, IoBackend::kPread}) {
    for (const char* mode : {"direct", "direct_4k", "cold", "warm"}) {
      for (const uint32_t kib : {64u, 256u, 512u, 1024u, 4096u}) {
        for (const uint32_t depth : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
          const bool direct = std::string_view(mode).starts_with("direct");
          const bool cold = std::string_view(mode) == "cold";
          const bool huge_pages = std::string_view(mode) != "direct_4k";
          const Case one = {backend, kib << 10, depth, direct, direct || cold, huge_pages};
          const std::string name = text(backend == IoBackend::kUring ? "uring" : "pread", "/", mode,
                                        "/", kib, "KiB/depth:", depth);
          benchmark::RegisterBenchmark(
              name.c_str(), [&file, one](benchmark::State& state) { run_case(state, file, one); })
              ->UseRealTime()
              ->MeasureProcessCPUTime()
              ->Unit(benchmark::kMillisecond);
        }
      }
    }
  }
}

/// Takes "--name=value" out of the arguments; null when it is not there.
const char* take_option(int& argc, char** argv, std::string_view name) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(name)) continue;
    const char* value = argv[i] + name.size();
    std::copy(argv + i + 1, argv + argc, argv + i);
    --argc;
    return value;
  }
  return nullptr;
}

int run(int argc, char** argv) {
  const char* directory = take_option(argc, argv, "--directory=");
  const char* megabytes = take_option(argc, argv, "--megabytes=");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  TestFile file;
  file.path = std::filesystem::path(directory != nullptr ? directory : ".") /
              text("qload_micro_io.", getpid());
  if (megabytes != nullptr)
    file.bytes = std::max(1ull, std::strtoull(megabytes, nullptr, 10)) << 20;
  if (!file.create()) {
    std::fprintf(stderr, "cannot write %s: %s\n", file.path.c_str(), std::strerror(errno));
    return 1;
  }
  register_cases(file);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace qload

int main(int argc, char** argv) { return qload::run(argc, argv); }
