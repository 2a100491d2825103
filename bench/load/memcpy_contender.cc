// The fastest copy of the plain file that is in the page cache: no system call, no page table to
// fill on the source's side. A bound for warm loads, not a load.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

#include "bench/load/contender.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// Bytes that a thread copies at a time. A huge page of the destination has one first writer.
constexpr uint64_t kPieceBytes = 2ull << 20;

class MemcpyContender : public Contender {
 public:
  MemcpyContender(const BenchModel& model, const ContenderOptions& options)
      : model_(model), huge_pages_(options.huge_pages), threads_(options.threads) {}

  std::vector<std::filesystem::path> files() const override { return model_.plain_files; }

  Status prepare() override {
    for (const std::filesystem::path& path : model_.plain_files) {
      QLOAD_TRY(MappedFile mapped, MappedFile::map(path, MAP_POPULATE));
      sources_.push_back(std::move(mapped));
    }
    return Ok{};
  }

  Status load() override {
    for (const MappedFile& source : sources_) QLOAD_CHECK(copy(source.bytes()));
    return Ok{};
  }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const SourceTensor& place = model_.source.tensors()[tensor];
    return blocks_[place.file].bytes().subspan(place.offset, place.bytes);
  }

  void release() override {
    blocks_.clear();
    sources_.clear();
  }

 private:
  Status copy(std::span<const std::byte> source) {
    QLOAD_TRY(FreshMemory memory, FreshMemory::allocate(source.size(), huge_pages_));
    const std::span<std::byte> block = memory.bytes();
    blocks_.push_back(std::move(memory));
    std::atomic<uint64_t> next{0};
    return run_parallel(threads_, [&](uint32_t) -> Status {
      for (;;) {
        const uint64_t offset = next.fetch_add(kPieceBytes);
        if (offset >= source.size()) return Ok{};
        const uint64_t bytes = std::min<uint64_t>(kPieceBytes, source.size() - offset);
        std::memcpy(block.data() + offset, source.data() + offset, bytes);
      }
    });
  }

  const BenchModel& model_;
  const bool huge_pages_;
  const uint32_t threads_;
  std::vector<MappedFile> sources_;
  std::vector<FreshMemory> blocks_;
};

}  // namespace

std::unique_ptr<Contender> make_memcpy_warm(const BenchModel& model,
                                            const ContenderOptions& options) {
  return std::make_unique<MemcpyContender>(model, options);
}

}  // namespace qload::bench
