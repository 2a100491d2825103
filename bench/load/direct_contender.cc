// The plain file by O_DIRECT io_uring: the strongest way to load uncompressed bytes.
#include <thread>
#include <utility>
#include <vector>

#include "bench/load/contender.h"
#include "bench/load/direct_read.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/plain_file.h"
#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "runtime/io/direct_io.h"

namespace qload::bench {
namespace {

class DirectContender : public Contender {
 public:
  DirectContender(const BenchModel& model, const ContenderOptions& options)
      : model_(model), huge_pages_(options.huge_pages), threads_(options.threads) {}

  std::vector<std::filesystem::path> files() const override { return model_.plain_files; }

  Status load() override {
    const ReadShape shape;
    QLOAD_TRY(auto engine, make_uring_engine({.queue_depth = shape.depth}, nullptr));
    for (const std::filesystem::path& path : model_.plain_files) {
      QLOAD_TRY(PlainFile file, PlainFile::open(path));
      QLOAD_TRY(FreshMemory memory,
                FreshMemory::allocate(align_up(file.bytes(), kAlignmentMax), huge_pages_));
      const std::span<std::byte> block = memory.bytes();
      blocks_.push_back(std::move(memory));
      if (file.bytes() == 0) continue;
      QLOAD_TRY(DirectFile direct, DirectFile::open(file.descriptor()));
      QLOAD_CHECK(engine->attach({.buffered = file.descriptor(),
                                  .direct = direct.descriptor(),
                                  .direct_alignment = direct.alignment()}));
      // Pages are made present ahead of the reads, beside them: the device waits for nothing.
      std::jthread prefault([&] { populate_parallel(block, threads_); });
      auto read = read_directly(
          *engine, {.bytes = file.bytes(), .memory = block, .whole = true, .shape = shape});
      prefault.join();
      if (!read) return std::move(read).error();
    }
    return Ok{};
  }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const SourceTensor& place = model_.source.tensors()[tensor];
    return blocks_[place.file].bytes().subspan(place.offset, place.bytes);
  }

  void release() override { blocks_.clear(); }

 private:
  const BenchModel& model_;
  const bool huge_pages_;
  const uint32_t threads_;
  std::vector<FreshMemory> blocks_;
};

}  // namespace

std::unique_ptr<Contender> make_direct_uring(const BenchModel& model,
                                             const ContenderOptions& options) {
  return std::make_unique<DirectContender>(model, options);
}

}  // namespace qload::bench
