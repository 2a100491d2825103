// Unpacking: workers decode, the calling thread writes source files one after the other.
#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "format/base/assert.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/kept_bytes.h"
#include "format/pack/ordered_pipeline.h"
#include "format/pack/output_tree.h"
#include "format/pack/progress_meter.h"
#include "format/pack/restore.h"
#include "format/pack/source_watch.h"

namespace qload {

namespace fs = std::filesystem;

namespace {

/// A tensor, or (`tensor` is nothing) the kept bytes of `file`. Item first_item + k is chunk k.
struct Run {
  uint32_t file = 0;
  std::optional<uint32_t> tensor;
  uint64_t first_item = 0;
};

/// What is decoded, file by file. Immutable once created.
struct UnpackPlan {
  std::vector<Run> runs;  // By file; the tensors first, in the order of the file.
  std::vector<KeptRun> kept;
  uint64_t item_count = 0;
  uint64_t bytes = 0;

  void add(const Run& run, uint64_t chunk_count) {
    runs.push_back(run);
    runs.back().first_item = item_count;
    item_count += chunk_count;
  }
  size_t run_of(uint64_t item) const {
    auto after = std::upper_bound(runs.begin(), runs.end(), item,
                                  [](uint64_t i, const Run& run) { return i < run.first_item; });
    return static_cast<size_t>(after - runs.begin()) - 1;
  }
};

/// The index is proven, yet where bytes go is checked again here: this is what writes files.
Result<UnpackPlan> plan_unpack(const Index& index) {
  std::vector<uint32_t> order(index.tensors().size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const TensorRecord& x = index.tensors()[a];
    const TensorRecord& y = index.tensors()[b];
    if (x.file != y.file) return x.file < y.file;
    return x.file_offset != y.file_offset ? x.file_offset < y.file_offset : a < b;
  });
  UnpackPlan plan;
  size_t next = 0;
  for (uint32_t number = 0; number < index.files().size(); ++number) {
    const FileRecord& file = index.files()[number];
    std::vector<FileRange> ranges;
    for (; next < order.size() && index.tensors()[order[next]].file == number; ++next) {
      const TensorRecord& tensor = index.tensors()[order[next]];
      ranges.push_back({tensor.file_offset, tensor.bytes});
      plan.add({number, order[next]}, tensor.chunk_count);
    }
    auto kept = KeptRun::create(file.bytes, ranges);
    if (!kept.ok()) return kept.error().at(quote(index.path(file)));
    if (kept->bytes() != file.kept_bytes) {
      return Error(ErrorCode::kCorrupt,
                   text("file ", quote(index.path(file)), " has ", file.kept_bytes,
                        " kept bytes; its tensors leave ", kept->bytes()));
    }
    plan.kept.push_back(std::move(kept).value());
    plan.add({number, std::nullopt}, file.chunk_count);
    plan.bytes += file.bytes;
  }
  return plan;
}

/// Proves all targets before the first is written: distinct, and free unless they may be replaced.
Status check_targets(const Container& container, const OutputTree& tree, bool overwrite) {
  std::unordered_set<std::string> seen;
  for (const FileRecord& file : container.index.files()) {
    QLOAD_TRY(fs::path target, tree.target_of(container.index.path(file)));
    if (!seen.insert(target.string()).second) {
      return Error(ErrorCode::kCorrupt,
                   text("two source files are called ", quote(container.index.path(file))));
    }
    std::error_code ignored;
    if (!overwrite && fs::symlink_status(target, ignored).type() != fs::file_type::not_found &&
        !ignored) {
      return Error(ErrorCode::kInvalidArgument,
                   text(quote(target.string()), " exists; expected a new file (or overwrite)"));
    }
    if (is_same_file(container.file, target)) {
      return Error(ErrorCode::kInvalidArgument,
                   text(quote(target.string()), " is the container itself; expected another file"));
    }
  }
  return Ok{};
}

struct Slot {
  std::vector<std::byte> decoded;
};
struct Worker {
  DecodeContext decoder;
  std::vector<std::byte> stored;
};

/// One call of unpack_container. produce() runs on the workers, the rest on the calling thread.
class UnpackJob {
 public:
  UnpackJob(const Container& container, const UnpackPlan& plan, OutputTree& tree, bool overwrite,
            uint32_t threads, ProgressMeter& progress)
      : container_(container),
        index_(container.index),
        plan_(plan),
        tree_(tree),
        overwrite_(overwrite),
        progress_(progress),
        slots_(pipeline_slot_count(threads)),
        workers_(threads) {}

  Status run(std::stop_token stop) {
    OrderedWork work;
    work.item_count = plan_.item_count;
    work.threads = static_cast<uint32_t>(workers_.size());
    work.produce = [this](uint32_t thread, uint32_t slot, uint64_t item) {
      return produce(workers_[thread], slots_[slot], item);
    };
    work.consume = [this](uint32_t slot, uint64_t item) { return consume(slots_[slot], item); };
    QLOAD_CHECK(run_ordered(work, std::move(stop)));
    return pass_runs_until(plan_.runs.size() + 1);
  }

 private:
  std::span<const ChunkRecord> chunks_of(const Run& run) const {
    return run.tensor ? index_.chunks_of(index_.tensors()[*run.tensor])
                      : index_.chunks_of(index_.files()[run.file]);
  }
  Status produce(Worker& worker, Slot& slot, uint64_t item);
  Status consume(const Slot& slot, uint64_t item);
  Status write(const Run& run, uint64_t run_offset, std::span<const std::byte> bytes);
  Status pass_runs_until(size_t run);
  Status begin_run(const Run& run);
  Status end_run(const Run& run);

  const Container& container_;
  const Index& index_;
  const UnpackPlan& plan_;
  OutputTree& tree_;
  const bool overwrite_;
  ProgressMeter& progress_;
  std::vector<Slot> slots_;
  std::vector<Worker> workers_;
  // The run, and the file, being written. Run next_run_ - 1 is open.
  size_t next_run_ = 0;
  DigestStream digest_;
  std::optional<AtomicFile> file_;
};

Status UnpackJob::produce(Worker& worker, Slot& slot, uint64_t item) {
  const Run& run = plan_.runs[plan_.run_of(item)];
  const ChunkRecord& chunk = chunks_of(run)[item - run.first_item];
  slot.decoded.resize(chunk.decoded_bytes);
  return read_chunk(container_, chunk, worker.decoder, worker.stored, slot.decoded);
}

Status UnpackJob::consume(const Slot& slot, uint64_t item) {
  size_t number = plan_.run_of(item);
  QLOAD_CHECK(pass_runs_until(number + 1));
  const Run& run = plan_.runs[number];
  const ChunkRecord& chunk = chunks_of(run)[item - run.first_item];
  QLOAD_CHECK(write(run, chunk.decoded_offset, slot.decoded));
  digest_.update(slot.decoded);
  progress_.add(slot.decoded.size());
  return Ok{};
}

Status UnpackJob::write(const Run& run, uint64_t run_offset, std::span<const std::byte> bytes) {
  if (run.tensor) {
    const TensorRecord& tensor = index_.tensors()[*run.tensor];
    return file_->write_at(tensor.file_offset + run_offset, bytes);
  }
  return plan_.kept[run.file].each_piece(
      run_offset, bytes.size(), [&](const FileRange& range, uint64_t piece_offset) {
        return file_->write_at(range.offset, bytes.subspan(piece_offset - run_offset, range.bytes));
      });
}

/// Ends and begins runs until run number `run` - 1 is open. One past the last ends all.
Status UnpackJob::pass_runs_until(size_t run) {
  while (next_run_ < run) {
    if (next_run_ > 0) QLOAD_CHECK(end_run(plan_.runs[next_run_ - 1]));
    if (next_run_ < plan_.runs.size()) QLOAD_CHECK(begin_run(plan_.runs[next_run_]));
    ++next_run_;
  }
  return Ok{};
}

Status UnpackJob::begin_run(const Run& run) {
  digest_.reset();
  if (file_) return Ok{};
  std::string_view path = index_.path(index_.files()[run.file]);
  QLOAD_TRY(fs::path target, tree_.target_of(path));
  QLOAD_CHECK(tree_.make_directories(path));
  QLOAD_TRY(file_, AtomicFile::create(target, {overwrite_}));
  return Ok{};
}

Status UnpackJob::end_run(const Run& run) {
  const FileRecord& file = index_.files()[run.file];
  if (run.tensor) {
    const TensorRecord& tensor = index_.tensors()[*run.tensor];
    if (to_digest(tensor.digest) == digest_.finish()) return Ok{};
    return Error(ErrorCode::kCorrupt,
                 text(container_.file.name(), ": tensor ", quote(index_.name(tensor)),
                      " decodes to bytes of another digest"));
  }
  if (to_digest(file.kept_digest) != digest_.finish()) {
    return Error(ErrorCode::kCorrupt,
                 text(container_.file.name(), ": the kept bytes of file ", quote(index_.path(file)),
                      " decode to bytes of another digest"));
  }
  // The kept run is a file's last.
  QLOAD_TRY(fs::path target, tree_.target_of(index_.path(file)));
  std::error_code ignored;
  bool is_new = fs::symlink_status(target, ignored).type() == fs::file_type::not_found;
  QLOAD_CHECK(file_->commit());
  if (is_new) tree_.add_created(target);
  file_.reset();
  return Ok{};
}

}  // namespace

Result<RestoreReport> unpack_container(const Container& container, const fs::path& output,
                                       const RestoreOptions& options,
                                       const std::function<void(const PackProgress&)>& on_progress,
                                       std::stop_token stop) {
  QLOAD_TRY(uint32_t threads, choose_thread_count(options.threads));
  const Index& index = container.index;
  auto plan = plan_unpack(index);
  if (!plan.ok()) return plan.error().at(container.file.name());
  OutputTree tree(output, index.files().size() == 1);
  QLOAD_CHECK(check_targets(container, tree, options.overwrite));
  threads = static_cast<uint32_t>(
      std::clamp<uint64_t>(threads, 1, std::max<uint64_t>(plan->item_count, 1)));

  ProgressMeter progress(on_progress, plan->bytes);
  UnpackJob job(container, *plan, tree, options.overwrite, threads, progress);
  Status status = job.run(std::move(stop));
  if (!status.ok()) return std::move(status).error();
  tree.keep();
  progress.finish();

  RestoreReport report;
  report.decoded_bytes = plan->bytes;
  report.chunk_count = plan->item_count;
  report.file_count = index.files().size();
  report.seconds = progress.seconds();
  return report;
}

}  // namespace qload
