#include "bench/load/roofline.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "bench/load/parallel.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr double kSweepSeconds = 0.25;
constexpr uint64_t kTouchTrialBytes = 256ull << 20;

double rate_of(uint64_t bytes, double seconds) {
  return static_cast<double>(bytes) / std::max(seconds, 1e-9);
}

}  // namespace

struct Roofline::SampledChunk {
  ChunkForm form;
  uint64_t stored_offset = 0;   // In stored_.
  uint64_t decoded_offset = 0;  // In the destination.
  uint64_t checksum = 0;
};

Roofline::Roofline(Container container, const RooflineOptions& options)
    : container_(std::move(container)), options_(options) {}
Roofline::~Roofline() = default;

Result<std::unique_ptr<Roofline>> Roofline::create(const std::filesystem::path& packed,
                                                   const RooflineOptions& options) {
  QLOAD_TRY(File file, File::open(packed));
  QLOAD_TRY(Container container, read_container(std::move(file)));
  std::unique_ptr<Roofline> roofline(new Roofline(std::move(container), options));
  QLOAD_TRY(roofline->reader_, StorageReader::open(packed, options.threads));
  QLOAD_CHECK(roofline->sweep());
  QLOAD_CHECK(roofline->load_chunks());
  QLOAD_CHECK(roofline->choose_pages());
  return roofline;
}

Status Roofline::sweep() {
  for (const uint32_t read_bytes : kSweepReadBytes) {
    for (const uint32_t depth : kSweepDepths) {
      if (uint64_t{depth} * read_bytes > kSweepRingBytesMax) continue;
      const ReadShape shape{.read_bytes = read_bytes, .depth = depth};
      QLOAD_TRY(const double rate, reader_->rate(shape, kSweepSeconds));
      if (rate <= sweep_rate_) continue;
      sweep_rate_ = rate;
      shape_ = shape;
    }
  }
  return Ok{};
}

Status Roofline::load_chunks() {
  const Index& index = container_.index;
  uint64_t all_stored = 0;
  for (const TensorRecord& tensor : index.tensors()) all_stored += tensor.stored_bytes;
  // Every step-th chunk keeps the mix of tensors when not all fit.
  const uint64_t step = all_stored <= options_.memory_bytes_max
                            ? 1
                            : all_stored / std::max<uint64_t>(options_.memory_bytes_max, 1) + 1;
  uint64_t number = 0;
  uint64_t stored_bytes = 0;
  std::vector<uint64_t> places;
  for (const TensorRecord& tensor : index.tensors()) {
    for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
      if (number++ % step != 0) continue;
      chunks_.push_back({.form = index.form(chunk),
                         .stored_offset = stored_bytes,
                         .decoded_offset = sampled_bytes_,
                         .checksum = chunk.stored_checksum});
      places.push_back(chunk.offset);
      stored_bytes += chunk.stored_bytes;
      sampled_bytes_ += chunk.decoded_bytes;
    }
  }
  QLOAD_TRY(stored_, FreshMemory::allocate(stored_bytes, true));
  for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    QLOAD_CHECK(container_.file.read_at(
        places[chunk],
        stored_.bytes().subspan(chunks_[chunk].stored_offset, chunks_[chunk].form.stored_bytes)));
  }
  return Ok{};
}

Status Roofline::choose_pages() {
  const uint64_t bytes = std::min(std::max<uint64_t>(sampled_bytes_, 1), kTouchTrialBytes);
  double best = 0;
  for (const bool huge_pages : {false, true}) {
    QLOAD_TRY(const FreshMemory memory, FreshMemory::allocate(bytes, huge_pages));
    const double start = now_seconds();
    populate_parallel(memory.bytes(), options_.threads);
    const double rate = rate_of(bytes, now_seconds() - start);
    if (rate > best) huge_pages_ = huge_pages;
    best = std::max(best, rate);
  }
  return Ok{};
}

Result<double> Roofline::decode_rate(std::span<std::byte> destination, uint32_t threads) {
  std::atomic<size_t> next{0};
  const double start = now_seconds();
  Status decoded = run_parallel(threads, [&](uint32_t) -> Status {
    DecodeContext context;
    context.write_around_cache(true);  // As large loads do.
    for (;;) {
      const size_t number = next.fetch_add(1);
      if (number >= chunks_.size()) return Ok{};
      const SampledChunk& chunk = chunks_[number];
      const auto stored = stored_.bytes().subspan(chunk.stored_offset, chunk.form.stored_bytes);
      if (checksum64(stored) != chunk.checksum) {
        return Error(ErrorCode::kCorrupt, "a chunk in memory does not match its checksum");
      }
      if (chunk.form.stored_raw() && chunk.form.stored_bytes >= kInPlaceBytesMin) continue;
      QLOAD_CHECK(
          decode_chunk(context, chunk.form, stored,
                       destination.subspan(chunk.decoded_offset, chunk.form.decoded_bytes)));
    }
  });
  if (!decoded.ok()) return std::move(decoded).error();
  return rate_of(sampled_bytes_, now_seconds() - start);
}

Result<RooflinePair> Roofline::measure(bool cached, uint32_t threads) {
  RooflinePair pair;
  if (cached) {
    QLOAD_TRY(pair.storage_rate, reader_->cached_rate(threads));
  } else {
    QLOAD_TRY(pair.storage_rate, reader_->rate(shape_, options_.storage_seconds_max));
  }
  QLOAD_TRY(const FreshMemory memory, FreshMemory::allocate(sampled_bytes_, huge_pages_));
  const double start = now_seconds();
  populate_parallel(memory.bytes(), threads);
  pair.touch_rate = rate_of(sampled_bytes_, now_seconds() - start);
  QLOAD_TRY(pair.decode_rate, decode_rate(memory.bytes(), threads));
  const auto decoded = static_cast<double>(container_.superblock.decoded_bytes);
  const double decode_seconds = pair.decode_rate > 0 ? decoded / pair.decode_rate : 0;
  const double touch_seconds = pair.touch_rate > 0 ? decoded / pair.touch_rate : 0;
  const double storage_seconds = static_cast<double>(reader_->file_bytes()) / pair.storage_rate;
  pair.seconds = std::max({storage_seconds, decode_seconds, touch_seconds});
  pair.cpu_seconds = decode_seconds + touch_seconds;
  return pair;
}

double Roofline::sampled_share() const {
  const uint64_t all = container_.superblock.decoded_bytes;
  return all == 0 ? 1 : static_cast<double>(sampled_bytes_) / static_cast<double>(all);
}

}  // namespace qload::bench
