// Verifying: every chunk in file order on several threads, digests on the calling one.
#include <algorithm>
#include <utility>
#include <vector>

#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "format/pack/progress_meter.h"
#include "format/pack/restore.h"

namespace qload {
namespace {

// How much padding is read at once; padding of more than an alignment is rare.
constexpr uint64_t kPaddingPieceBytes = 64u << 10;

/// A tensor, or the kept bytes of a file, and the chunks that hold it. Several may share a run.
struct Owner {
  uint64_t first_chunk = 0;
  uint64_t chunk_count = 0;
  bool is_tensor = true;
  uint32_t number = 0;
};

/// All owners that have chunks, in the order of their chunks.
std::vector<Owner> list_owners(const Index& index) {
  std::vector<Owner> owners;
  owners.reserve(index.tensors().size() + index.files().size());
  auto add = [&](const auto& record, bool is_tensor, uint32_t number) {
    if (record.chunk_count == 0) return;
    owners.push_back({record.first_chunk, record.chunk_count, is_tensor, number});
  };
  for (uint32_t i = 0; i < index.tensors().size(); ++i) add(index.tensors()[i], true, i);
  for (uint32_t i = 0; i < index.files().size(); ++i) add(index.files()[i], false, i);
  std::stable_sort(owners.begin(), owners.end(),
                   [](const Owner& a, const Owner& b) { return a.first_chunk < b.first_chunk; });
  return owners;
}

template <class... Pieces>
Error corrupt(const Container& container, const Pieces&... pieces) {
  return Error(ErrorCode::kCorrupt, text(container.file.name(), ": ", pieces...));
}

struct Slot {
  std::vector<std::byte> decoded;
};
struct Worker {
  DecodeContext decoder;
  std::vector<std::byte> stored;
};

/// One call of verify_container. Item c is chunk c with the padding before it; the last item is
/// the padding before the index.
class VerifyJob {
 public:
  VerifyJob(const Container& container, uint32_t threads, ProgressMeter& progress)
      : container_(container),
        index_(container.index),
        progress_(progress),
        owners_(list_owners(container.index)),
        slots_(pipeline_slot_count(threads)),
        workers_(threads) {}

  Status run(std::stop_token stop) {
    QLOAD_CHECK(check_empty_owners());
    OrderedWork work;
    work.item_count = index_.chunks().size() + 1;
    work.threads = static_cast<uint32_t>(workers_.size());
    work.produce = [this](uint32_t thread, uint32_t slot, uint64_t item) {
      return produce(workers_[thread], slots_[slot], item);
    };
    work.consume = [this](uint32_t slot, uint64_t item) { return consume(slots_[slot], item); };
    return run_ordered(work, std::move(stop));
  }

 private:
  Status produce(Worker& worker, Slot& slot, uint64_t item);
  Status consume(const Slot& slot, uint64_t item);
  Status check_padding(Worker& worker, uint64_t begin, uint64_t end) const;
  Status check_empty_owners() const;
  Status check_digest(const Owner& owner, const Digest& found) const;

  const Container& container_;
  const Index& index_;
  ProgressMeter& progress_;
  std::vector<Owner> owners_;
  std::vector<Slot> slots_;
  std::vector<Worker> workers_;
  // The run being digested on the calling thread.
  size_t next_owner_ = 0;
  DigestStream digest_;
};

Status VerifyJob::produce(Worker& worker, Slot& slot, uint64_t item) {
  std::span<const ChunkRecord> chunks = index_.chunks();
  uint64_t padding_begin = kSuperblockBytes;
  if (item > 0) padding_begin = chunks[item - 1].offset + chunks[item - 1].stored_bytes;
  bool is_chunk = item < chunks.size();
  uint64_t padding_end = is_chunk ? chunks[item].offset : container_.superblock.index_offset;
  QLOAD_CHECK(check_padding(worker, padding_begin, padding_end));
  if (!is_chunk) return Ok{};
  slot.decoded.resize(chunks[item].decoded_bytes);
  return read_chunk(container_, chunks[item], worker.decoder, worker.stored, slot.decoded);
}

Status VerifyJob::check_padding(Worker& worker, uint64_t begin, uint64_t end) const {
  if (begin > end) {
    return corrupt(container_, "a chunk ends at offset ", begin, ", past the start of the next at ",
                   end);
  }
  while (begin < end) {
    uint64_t bytes = std::min(end - begin, kPaddingPieceBytes);
    worker.stored.resize(bytes);
    QLOAD_CHECK(container_.file.read_at(begin, worker.stored));
    auto bad = std::ranges::find_if(worker.stored, [](std::byte b) { return b != std::byte{0}; });
    if (bad != worker.stored.end()) {
      return corrupt(container_, "padding byte at offset ",
                     begin + static_cast<uint64_t>(bad - worker.stored.begin()), " is ",
                     static_cast<unsigned>(*bad), "; expected 0");
    }
    begin += bytes;
  }
  return Ok{};
}

Status VerifyJob::consume(const Slot& slot, uint64_t item) {
  if (item == index_.chunks().size()) return Ok{};
  if (next_owner_ < owners_.size() && owners_[next_owner_].first_chunk == item) digest_.reset();
  digest_.update(slot.decoded);
  progress_.add(slot.decoded.size());
  // Runs are identical or disjoint: the next owner, and those with the same run, are the ones
  // whose chunks pass now.
  while (next_owner_ < owners_.size()) {
    const Owner& owner = owners_[next_owner_];
    if (owner.first_chunk + owner.chunk_count != item + 1) break;
    QLOAD_CHECK(check_digest(owner, digest_.finish()));
    ++next_owner_;
  }
  return Ok{};
}

Status VerifyJob::check_empty_owners() const {
  for (uint32_t i = 0; i < index_.tensors().size(); ++i) {
    if (index_.tensors()[i].chunk_count != 0) continue;
    QLOAD_CHECK(check_digest({0, 0, true, i}, digest_of({})));
  }
  for (uint32_t i = 0; i < index_.files().size(); ++i) {
    if (index_.files()[i].chunk_count != 0) continue;
    QLOAD_CHECK(check_digest({0, 0, false, i}, digest_of({})));
  }
  return Ok{};
}

Status VerifyJob::check_digest(const Owner& owner, const Digest& found) const {
  if (owner.is_tensor) {
    const TensorRecord& tensor = index_.tensors()[owner.number];
    if (to_digest(tensor.digest) == found) return Ok{};
    return corrupt(container_, "tensor ", quote(index_.name(tensor)),
                   " decodes to bytes of another digest than the index records for it");
  }
  const FileRecord& file = index_.files()[owner.number];
  if (to_digest(file.kept_digest) == found) return Ok{};
  return corrupt(container_, "the kept bytes of file ", quote(index_.path(file)),
                 " decode to bytes of another digest than the index records for them");
}

}  // namespace

Result<RestoreReport> verify_container(const Container& container, const RestoreOptions& options,
                                       const std::function<void(const PackProgress&)>& on_progress,
                                       std::stop_token stop) {
  QLOAD_TRY(uint32_t threads, choose_thread_count(options.threads));
  uint64_t bytes_total = 0;
  for (const ChunkRecord& chunk : container.index.chunks()) bytes_total += chunk.decoded_bytes;
  ProgressMeter progress(on_progress, bytes_total);
  threads = static_cast<uint32_t>(std::min<uint64_t>(threads, container.index.chunks().size() + 1));
  VerifyJob job(container, threads, progress);
  Status status = job.run(std::move(stop));
  if (!status.ok()) return std::move(status).error();
  progress.finish();

  RestoreReport report;
  report.decoded_bytes = bytes_total;
  report.chunk_count = container.index.chunks().size();
  report.file_count = container.index.files().size();
  report.seconds = progress.seconds();
  return report;
}

}  // namespace qload
