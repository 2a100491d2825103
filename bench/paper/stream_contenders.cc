#include "bench/paper/stream_contenders.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "bench/load/direct_read.h"
#include "bench/load/parallel.h"
#include "bench/load/plain_file.h"
#include "bench/paper/range_read.h"
#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

// Bytes of one read() call, as the load benchmark's.
constexpr uint64_t kCallBytes = 1ull << 20;
// One piece on its way while another is finished and checked.
constexpr uint32_t kDoubleBuffering = 2;

/// read(): one thread, which waits for nobody; the kernel reads ahead of it.
class StreamRead : public StreamContender {
 public:
  using StreamContender::StreamContender;

  Status load() override {
    std::vector<PlainFile> files;
    for (const std::filesystem::path& path : model_.plain_files) {
      QLOAD_TRY(PlainFile file, PlainFile::open(path));
      file.advise_sequential();
      files.push_back(std::move(file));
    }
    const auto read = [&](uint32_t, const StreamPiece& piece,
                          std::span<std::byte> arena) -> Status {
      for (const StreamRange& range : piece.ranges) {
        QLOAD_CHECK(files[range.file].read_at(range.offset, arena.subspan(range.place, range.bytes),
                                              kCallBytes));
      }
      return Ok{};
    };
    return load_pieces(1, &StreamTensor::range_place, read);
  }
};

/// The plain file mapped: every page of a piece touched, then let go of. Nothing is copied.
class StreamMmap : public StreamContender {
 public:
  using StreamContender::StreamContender;

  Status load() override {
    for (const std::filesystem::path& path : model_.plain_files) {
      QLOAD_TRY(MappedFile file, MappedFile::map(path));
      mapped_.push_back(std::move(file));
    }
    for (const StreamPiece& piece : plan_.pieces) {
      for (const StreamRange& range : piece.ranges) touch(of_range(range));
      QLOAD_CHECK(check_piece(piece, [&](const StreamTensor& tensor) {
        const SourceTensor& place = model_.source.tensors()[tensor.source];
        return mapped_[place.file].bytes().subspan(place.offset, place.bytes);
      }));
      for (const StreamRange& range : piece.ranges) let_go(of_range(range));
    }
    return Ok{};
  }

  void release() override { mapped_.clear(); }

 private:
  std::span<const std::byte> of_range(const StreamRange& range) const {
    return mapped_[range.file].bytes().subspan(range.offset, range.bytes);
  }

  void touch(std::span<const std::byte> bytes) {
    static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    uint64_t sum = 0;
    for (uint64_t offset = 0; offset < bytes.size(); offset += page_bytes) {
      sum += std::to_integer<uint64_t>(bytes[offset]);
    }
    sum_ += sum;  // Keeps the compiler from dropping the reads.
  }

  // Pages that a neighbour shares come back by a fault from the page cache.
  static void let_go(std::span<const std::byte> bytes) {
    static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const auto begin = align_down(reinterpret_cast<uintptr_t>(bytes.data()), page_bytes);
    const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }

  std::vector<MappedFile> mapped_;
  std::atomic<uint64_t> sum_{0};
};

/// O_DIRECT io_uring, a ring for each worker.
class StreamDirect : public StreamContender {
 public:
  using StreamContender::StreamContender;

  Status load() override {
    const ReadShape shape;
    QLOAD_TRY(files_, open_direct(model_.plain_files));
    return load_pieces(
        kDoubleBuffering, &StreamTensor::range_place,
        [&](uint32_t worker, const StreamPiece& piece, std::span<std::byte> arena) -> Status {
          // A ring belongs to the thread that made it.
          if (!engines_[worker]) {
            QLOAD_TRY(engines_[worker], make_uring_engine({.queue_depth = shape.depth}, nullptr));
          }
          return read_ranges(*engines_[worker], files_, piece, arena, shape);
        });
  }

  void release() override {
    for (auto& engine : engines_) engine.reset();
    files_.clear();
    StreamContender::release();
  }

 private:
  std::vector<DirectSource> files_;
  std::array<std::unique_ptr<ReadEngine>, kDoubleBuffering> engines_;
};

/// libqload, through its public interface: two load_into calls in flight on one Loader.
class StreamQload : public StreamContender {
 public:
  using StreamContender::StreamContender;

  std::vector<std::filesystem::path> files() const override { return {model_.packed}; }

  Status load() override {
    QLOAD_TRY(Model packed, Model::open(model_.packed));
    packed_.emplace(std::move(packed));
    QLOAD_TRY(Loader loader, Loader::create(options_.loader));
    loader_.emplace(std::move(loader));
    return load_pieces(
        kDoubleBuffering, &StreamTensor::aligned_place,
        [&](uint32_t, const StreamPiece& piece, std::span<std::byte> arena) -> Status {
          std::vector<Destination> destinations;
          for (const StreamTensor& tensor : piece.tensors) {
            destinations.push_back(
                {.name = tensor.name, .data = arena.subspan(tensor.aligned_place, tensor.bytes)});
          }
          return loader_->load_into(*packed_, destinations);
        });
  }

  void release() override {
    loader_.reset();
    packed_.reset();
    StreamContender::release();
  }

 private:
  std::optional<Model> packed_;
  std::optional<Loader> loader_;
};

template <class Kind>
std::unique_ptr<StreamContender> make(const BenchModel& model, const StreamPlan& plan,
                                      const ContenderOptions& options) {
  return std::make_unique<Kind>(model, plan, options);
}

constexpr std::array kKinds = {
    StreamKind{"mmap-before", true, "plain file mapped, one thread touches each layer's pages",
               make<StreamMmap>},
    StreamKind{"read-before", true, "buffered pread() of each layer, one thread", make<StreamRead>},
    StreamKind{"odirect-uring", true,
               "O_DIRECT io_uring, 1 MiB reads, depth 32, two layers at a time",
               make<StreamDirect>},
    StreamKind{"qload", false, "load_into() of each layer's tensors, two layers at a time",
               make<StreamQload>},
};

}  // namespace

Status StreamContender::load_pieces(uint32_t workers, uint64_t StreamTensor::*place,
                                    const LoadPiece& load_piece) {
  for (uint32_t worker = 0; worker < workers; ++worker) {
    QLOAD_TRY(FreshMemory arena, FreshMemory::allocate(plan_.arena_bytes, options_.huge_pages));
    arenas_.push_back(std::move(arena));
  }
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto load_next = [&](uint32_t worker, const StreamPiece& piece) -> Status {
    const std::span<std::byte> arena = arenas_[worker].bytes();
    QLOAD_CHECK(load_piece(worker, piece, arena));
    return check_piece(piece, [&](const StreamTensor& tensor) {
      return std::span<const std::byte>(arena.subspan(tensor.*place, tensor.bytes));
    });
  };
  return run_parallel(workers, [&](uint32_t worker) -> Status {
    while (!failed) {
      const size_t number = next.fetch_add(1);
      if (number >= plan_.pieces.size()) break;
      Status loaded = load_next(worker, plan_.pieces[number]);
      if (loaded.ok()) continue;
      failed = true;
      return loaded;
    }
    return Ok{};
  });
}

Status StreamContender::check_piece(const StreamPiece& piece, const StreamBytes& bytes) const {
  return compare_everything_ ? compare_piece(piece, model_.source, bytes)
                             : check_samples(piece, bytes);
}

std::span<const StreamKind> all_stream_kinds() { return kKinds; }

}  // namespace qload::bench
