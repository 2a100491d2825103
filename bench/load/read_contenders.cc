// Buffered reads of the plain file, by one thread and by several.
#include <algorithm>
#include <utility>
#include <vector>

#include "bench/load/contender.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "format/base/checked.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// Bytes of one system call. The page cache reads ahead by its own window whatever is asked here;
// larger calls measured the same.
constexpr uint64_t kCallBytes = 1ull << 20;

class ReadContender : public Contender {
 public:
  ReadContender(const BenchModel& model, bool huge_pages, uint32_t threads)
      : model_(model), huge_pages_(huge_pages), threads_(threads) {}

  std::vector<std::filesystem::path> files() const override { return model_.plain_files; }

  Status load() override {
    for (const std::filesystem::path& path : model_.plain_files) QLOAD_CHECK(read_file(path));
    return Ok{};
  }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const SourceTensor& place = model_.source.tensors()[tensor];
    return blocks_[place.file].bytes().subspan(place.offset, place.bytes);
  }

  void release() override { blocks_.clear(); }

 private:
  // Every thread reads one contiguous share through a descriptor of its own: read-ahead state
  // belongs to the open file, and threads that share it confuse it.
  Status read_file(const std::filesystem::path& path) {
    QLOAD_TRY(PlainFile file, PlainFile::open(path));
    QLOAD_TRY(FreshMemory memory, FreshMemory::allocate(file.bytes(), huge_pages_));
    const std::span<std::byte> block = memory.bytes();
    blocks_.push_back(std::move(memory));
    const uint64_t share = align_up(block.size() / threads_ + 1, kCallBytes);
    return run_parallel(threads_, [&](uint32_t number) -> Status {
      const uint64_t begin = std::min<uint64_t>(number * share, block.size());
      const uint64_t bytes = std::min<uint64_t>(share, block.size() - begin);
      QLOAD_TRY(PlainFile own, PlainFile::open(path));
      own.advise_sequential();
      return own.read_at(begin, block.subspan(begin, bytes), kCallBytes);
    });
  }

  const BenchModel& model_;
  const bool huge_pages_;
  const uint32_t threads_;
  std::vector<FreshMemory> blocks_;
};

}  // namespace

std::unique_ptr<Contender> make_read_1(const BenchModel& model, const ContenderOptions& options) {
  return std::make_unique<ReadContender>(model, options.huge_pages, 1);
}

std::unique_ptr<Contender> make_read_n(const BenchModel& model, const ContenderOptions& options) {
  return std::make_unique<ReadContender>(model, options.huge_pages, options.threads);
}

}  // namespace qload::bench
