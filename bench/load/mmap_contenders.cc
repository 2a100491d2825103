// The plain file mapped. Touching every page is the least an engine does with its weights; nothing
// is copied, so these contenders do less work than all others.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "bench/load/contender.h"
#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

struct MapOptions {
  int map_flags = 0;
  bool will_need = false;
  uint32_t touch_threads = 1;
};

// Reads one byte of every page; the sum keeps the compiler from dropping the reads.
uint64_t touch_pages(std::span<const std::byte> bytes) {
  static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t sum = 0;
  for (uint64_t offset = 0; offset < bytes.size(); offset += page_bytes) {
    sum += std::to_integer<uint64_t>(bytes[offset]);
  }
  return sum;
}

class MmapContender : public Contender {
 public:
  MmapContender(const BenchModel& model, MapOptions options) : model_(model), options_(options) {}

  std::vector<std::filesystem::path> files() const override { return model_.plain_files; }

  Status load() override {
    for (const std::filesystem::path& path : model_.plain_files) {
      QLOAD_TRY(MappedFile mapped, MappedFile::map(path, options_.map_flags));
      if (options_.will_need) mapped.advise(MADV_WILLNEED);
      touch(mapped.bytes());
      mappings_.push_back(std::move(mapped));
    }
    return Ok{};
  }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const SourceTensor& place = model_.source.tensors()[tensor];
    return mappings_[place.file].bytes().subspan(place.offset, place.bytes);
  }

  void release() override { mappings_.clear(); }

 private:
  void touch(std::span<const std::byte> bytes) {
    // The shares meet on a multiple of every page size.
    const uint64_t share = align_up(bytes.size() / options_.touch_threads + 1, kAlignmentMax);
    (void)run_parallel(options_.touch_threads, [&](uint32_t number) -> Status {
      const uint64_t begin = std::min<uint64_t>(number * share, bytes.size());
      sum_ += touch_pages(bytes.subspan(begin, std::min<uint64_t>(share, bytes.size() - begin)));
      return Ok{};
    });
  }

  const BenchModel& model_;
  const MapOptions options_;
  std::vector<MappedFile> mappings_;
  std::atomic<uint64_t> sum_{0};
};

}  // namespace

std::unique_ptr<Contender> make_mmap(const BenchModel& model, const ContenderOptions&) {
  return std::make_unique<MmapContender>(model, MapOptions{});
}

std::unique_ptr<Contender> make_mmap_n(const BenchModel& model, const ContenderOptions& options) {
  return std::make_unique<MmapContender>(model, MapOptions{.touch_threads = options.threads});
}

std::unique_ptr<Contender> make_mmap_willneed(const BenchModel& model,
                                              const ContenderOptions& options) {
  return std::make_unique<MmapContender>(
      model, MapOptions{.will_need = true, .touch_threads = options.threads});
}

std::unique_ptr<Contender> make_mmap_populate(const BenchModel& model, const ContenderOptions&) {
  return std::make_unique<MmapContender>(model, MapOptions{.map_flags = MAP_POPULATE});
}

}  // namespace qload::bench
