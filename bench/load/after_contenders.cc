// The paper's way: the whole file compressed by zstd, read or mapped while zstd decodes.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>
#include <vector>

#include "bench/load/compressed_file.h"
#include "bench/load/contender.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/codec/codec.h"

namespace qload::bench {
namespace {

// Bytes of one read() call of read-after; decoding starts that much behind the reader.
constexpr uint64_t kCallBytes = 1ull << 20;

// How far a file has been read: one thread advances it, the decoders wait for it.
class Watermark {
 public:
  void advance(uint64_t bytes) {
    bytes_.store(bytes, std::memory_order_release);
    bytes_.notify_all();
  }
  void wait_for(uint64_t bytes) const {
    for (uint64_t now = bytes_.load(std::memory_order_acquire); now < bytes;
         now = bytes_.load(std::memory_order_acquire)) {
      bytes_.wait(now, std::memory_order_acquire);
    }
  }

 private:
  std::atomic<uint64_t> bytes_{0};
};
constexpr uint64_t kEverything = std::numeric_limits<uint64_t>::max();

class AfterContender : public Contender {
 public:
  AfterContender(const BenchModel& model, const ContenderOptions& options)
      : model_(model), huge_pages_(options.huge_pages), threads_(options.threads) {}

  std::vector<std::filesystem::path> files() const override { return model_.compressed_files; }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const SourceTensor& place = model_.source.tensors()[tensor];
    return blocks_[place.file].bytes().subspan(place.offset, place.bytes);
  }

  void release() override { blocks_.clear(); }

 protected:
  /// Decodes frames in order until none is left. Waits for each to be read.
  Status decode_frames(const CompressedIndex& index, std::span<const std::byte> stored,
                       std::span<std::byte> decoded, std::atomic<uint64_t>& next,
                       const Watermark& watermark) {
    const std::unique_ptr<Decoder> decoder = find_codec(CodecId::kZstd)->make_decoder();
    for (;;) {
      const uint64_t frame = next.fetch_add(1);
      if (frame >= index.frame_ends.size()) return Ok{};
      const uint64_t begin = index.frame_begin(frame);
      const uint64_t end = index.frame_ends[frame];
      watermark.wait_for(end);
      QLOAD_CHECK(
          decoder->decode(stored.subspan(begin, end - begin),
                          decoded.subspan(frame * kFrameBytes, index.frame_decoded_bytes(frame))));
    }
  }

  Result<std::span<std::byte>> add_block(uint64_t bytes) {
    QLOAD_TRY(FreshMemory memory, FreshMemory::allocate(bytes, huge_pages_));
    blocks_.push_back(std::move(memory));
    return blocks_.back().bytes();
  }

  const BenchModel& model_;
  const bool huge_pages_;
  const uint32_t threads_;

 private:
  std::vector<FreshMemory> blocks_;
};

class ReadAfter : public AfterContender {
 public:
  using AfterContender::AfterContender;

  Status load() override {
    for (const std::filesystem::path& path : model_.compressed_files) {
      QLOAD_CHECK(load_file(path));
    }
    return Ok{};
  }

 private:
  // One thread reads the whole compressed file into fresh memory; the others decode behind it.
  Status load_file(const std::filesystem::path& path) {
    QLOAD_TRY(PlainFile file, PlainFile::open(path));
    file.advise_sequential();
    QLOAD_TRY(FreshMemory memory, FreshMemory::allocate(file.bytes(), huge_pages_));
    const std::span<std::byte> stored = memory.bytes();
    const uint64_t head_bytes = std::min(kCompressedHeadBytes, file.bytes());
    QLOAD_CHECK(file.read_at(0, stored.first(head_bytes), kCallBytes));
    if (head_bytes < kCompressedHeadBytes) {
      return Error(ErrorCode::kCorrupt, text(path.string(), " has no index"));
    }
    const uint64_t index_bytes = std::min(
        file.bytes(), compressed_index_bytes(load_le<uint64_t>(stored.data() + sizeof(uint64_t))));
    QLOAD_CHECK(file.read_at(0, stored.first(index_bytes), kCallBytes));
    QLOAD_TRY(const CompressedIndex index,
              parse_compressed_index(stored.first(index_bytes), file.bytes()));
    QLOAD_TRY(const std::span<std::byte> decoded, add_block(index.decoded_bytes));
    Watermark watermark;
    std::atomic<uint64_t> next{0};
    return run_parallel(threads_ + 1, [&](uint32_t number) -> Status {
      if (number > 0) return decode_frames(index, stored, decoded, next, watermark);
      Status read = read_all(file, index_bytes, stored, watermark);
      watermark.advance(kEverything);  // After a failed read the decoders fail, too.
      return read;
    });
  }

  static Status read_all(const PlainFile& file, uint64_t offset, std::span<std::byte> stored,
                         Watermark& watermark) {
    while (offset < stored.size()) {
      const uint64_t bytes = std::min<uint64_t>(kCallBytes, stored.size() - offset);
      QLOAD_CHECK(file.read_at(offset, stored.subspan(offset, bytes), kCallBytes));
      offset += bytes;
      watermark.advance(offset);
    }
    return Ok{};
  }
};

class MmapAfter : public AfterContender {
 public:
  using AfterContender::AfterContender;

  Status load() override {
    for (const std::filesystem::path& path : model_.compressed_files) {
      QLOAD_TRY(const MappedFile mapped, MappedFile::map(path));
      mapped.advise(MADV_SEQUENTIAL);
      QLOAD_TRY(const CompressedIndex index,
                parse_compressed_index(mapped.bytes(), mapped.bytes().size()));
      QLOAD_TRY(const std::span<std::byte> decoded, add_block(index.decoded_bytes));
      Watermark watermark;
      watermark.advance(kEverything);
      std::atomic<uint64_t> next{0};
      QLOAD_CHECK(run_parallel(threads_, [&](uint32_t) {
        return decode_frames(index, mapped.bytes(), decoded, next, watermark);
      }));
    }
    return Ok{};
  }
};

}  // namespace

std::unique_ptr<Contender> make_read_after(const BenchModel& model,
                                           const ContenderOptions& options) {
  return std::make_unique<ReadAfter>(model, options);
}

std::unique_ptr<Contender> make_mmap_after(const BenchModel& model,
                                           const ContenderOptions& options) {
  return std::make_unique<MmapAfter>(model, options);
}

}  // namespace qload::bench
