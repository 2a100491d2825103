// Packing: workers read, choose, encode and check chunks; the calling thread writes them in order.
#include "format/pack/pack.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/container/container_writer.h"
#include "format/pack/chunk_sample.h"
#include "format/pack/find_duplicates.h"
#include "format/pack/ordered_pipeline.h"
#include "format/pack/pack_plan.h"
#include "format/pack/pack_recipe.h"
#include "format/pack/progress_meter.h"
#include "format/pack/recipe.h"
#include "format/pack/source_watch.h"

namespace qload {
namespace {

// Bounds of PackOptions, as its comments give them.
constexpr uint64_t kPackChunkBytesMin = 64u << 10;
constexpr uint64_t kPackExtentBytesMin = 1u << 20;
constexpr uint64_t kPackExtentBytesMax = 8u << 20;
constexpr int kZstdLevelMin = -7;
constexpr int kZstdLevelMax = 22;

Error bad_option(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

Status check_options(const PackOptions& options) {
  if (!is_power_of_two(options.alignment) || options.alignment < kAlignmentMin ||
      options.alignment > kAlignmentMax) {
    return bad_option(text("alignment is ", options.alignment, "; expected a power of two from ",
                           kAlignmentMin, " to ", kAlignmentMax));
  }
  if (options.chunk_bytes < kPackChunkBytesMin || options.chunk_bytes > kChunkBytesMax) {
    return bad_option(text("chunk size is ", options.chunk_bytes, " bytes; expected ",
                           kPackChunkBytesMin, " to ", kChunkBytesMax));
  }
  if (options.extent_bytes < kPackExtentBytesMin || options.extent_bytes > kPackExtentBytesMax) {
    return bad_option(text("extent size is ", options.extent_bytes, " bytes; expected ",
                           kPackExtentBytesMin, " to ", kPackExtentBytesMax));
  }
  if (options.filter && find_filter(*options.filter) == nullptr) {
    return bad_option(text("filter ", static_cast<int>(*options.filter), " is not known"));
  }
  if (options.codec && find_codec(*options.codec) == nullptr) {
    return bad_option(text("codec ", static_cast<int>(*options.codec), " is not known"));
  }
  if (options.zstd_level &&
      (*options.zstd_level < kZstdLevelMin || *options.zstd_level > kZstdLevelMax)) {
    return bad_option(text("zstd level is ", *options.zstd_level, "; expected ", kZstdLevelMin,
                           " to ", kZstdLevelMax));
  }
  if (!(options.gain_min >= 0.0 && options.gain_min < 1.0)) {
    return bad_option(text("least gain is ", std::to_string(options.gain_min),
                           "; expected at least 0 and below 1"));
  }
  if (!options.target) return Ok{};
  if (options.codec || options.goal != PackGoal::kBalanced) {
    return bad_option("a target device leaves no room for a fixed codec or another goal");
  }
  return check_device(*options.target);
}

/// One chunk between the worker that makes it and the calling thread that writes it.
struct Slot {
  std::vector<std::byte> memory;  // Only grows, so that reuse does not clear it.
  std::span<std::byte> decoded;
  std::vector<std::byte> stored;
  ChunkForm form;
  uint64_t stored_checksum = 0;
  uint64_t decoded_checksum = 0;
};

std::span<std::byte> grow(std::vector<std::byte>& memory, uint64_t bytes) {
  if (memory.size() < bytes) memory.resize(bytes);
  return std::span(memory).first(bytes);
}

/// What one worker thread owns.
struct Worker {
  explicit Worker(const RecipeOptions& options) : chooser(options) {}
  RecipeChooser chooser;
  EncodeContext encoder;
  DecodeContext decoder;
  std::vector<std::byte> scratch;
};

/// One call of pack_model. produce() runs on the workers, the rest on the calling thread.
class PackJob {
 public:
  PackJob(const ModelSource& source, const PackPlan& plan, const PackRecipe& recipe, bool verify,
          uint32_t threads, ContainerWriter& writer, ProgressMeter& progress)
      : source_(source),
        plan_(plan),
        verify_(verify),
        recipe_(recipe),
        writer_(writer),
        progress_(progress),
        slots_(pipeline_slot_count(threads)) {
    workers_.reserve(threads);
    for (uint32_t i = 0; i < threads; ++i) workers_.emplace_back(recipe.options);
  }

  Status run(std::stop_token stop) {
    OrderedWork work;
    work.item_count = plan_.item_count();
    work.threads = static_cast<uint32_t>(workers_.size());
    work.produce = [this](uint32_t thread, uint32_t slot, uint64_t item) {
      return produce(workers_[thread], slots_[slot], item);
    };
    work.consume = [this](uint32_t slot, uint64_t item) { return consume(slots_[slot], item); };
    QLOAD_CHECK(run_ordered(work, std::move(stop)));
    pass_runs_until(plan_.runs().size());
    if (run_is_open_) end_run();
    return Ok{};
  }

 private:
  Status produce(Worker& worker, Slot& slot, uint64_t item);
  Status consume(const Slot& slot, uint64_t item);
  void read_ahead(uint64_t item) const;
  Status compare(Worker& worker, const Slot& slot) const;
  std::string place_of(const PackRun& run, uint64_t chunk) const;
  void pass_runs_until(size_t run);
  void begin_run(const PackRun& run);
  void end_run();

  const ModelSource& source_;
  const PackPlan& plan_;
  const bool verify_;
  const PackRecipe recipe_;
  ContainerWriter& writer_;
  ProgressMeter& progress_;
  std::vector<Slot> slots_;
  std::vector<Worker> workers_;
  // The run being written.
  size_t next_run_ = 0;
  bool run_is_open_ = false;
  DigestStream digest_;
};

Status PackJob::produce(Worker& worker, Slot& slot, uint64_t item) {
  read_ahead(item + slots_.size());
  const PackRun& run = plan_.run_of(item);
  uint64_t chunk = item - run.first_item;
  slot.decoded = grow(slot.memory, run.cut.bytes_of(chunk));
  QLOAD_CHECK(read_run_chunk(source_, plan_, run, chunk, slot.decoded));
  const TargetDevice& device = recipe_.device_of(run.kind, item);
  worker.chooser.aim_at(device);
  const RecipeChoice choice =
      worker.chooser.choose(run_dtype(source_, run), run.kind, slot.decoded);
  slot.form =
      encode_by_choice(worker.encoder, slot.decoded, choice, device, slot.stored, worker.scratch);
  slot.decoded_checksum = checksum64(slot.decoded);
  slot.stored_checksum = slot.form.stored_raw() ? slot.decoded_checksum : checksum64(slot.stored);
  if (verify_) {
    Status same = compare(worker, slot);
    if (!same.ok()) return same.error().at(place_of(run, chunk));
  }
  return Ok{};
}

/// Asks for the bytes of a chunk that is next after those in the slots. Tensors only: kept bytes
/// are few, or companions that the kernel reads ahead by itself.
void PackJob::read_ahead(uint64_t item) const {
  if (item >= plan_.item_count()) return;
  const PackRun& run = plan_.run_of(item);
  if (run.kind == ContentKind::kKept) return;
  const SourceTensor& tensor = source_.tensors()[run.number];
  uint64_t chunk = item - run.first_item;
  advise_will_read(source_.handle(tensor.file), tensor.offset + run.cut.offset_of(chunk),
                   run.cut.bytes_of(chunk));
}

Status PackJob::compare(Worker& worker, const Slot& slot) const {
  if (slot.form.stored_raw()) {
    return std::ranges::equal(slot.stored, slot.decoded)
               ? Status(Ok{})
               : Error(ErrorCode::kCorrupt, "its stored copy differs from it");
  }
  std::span<std::byte> again = grow(worker.scratch, slot.decoded.size());
  QLOAD_CHECK(decode_chunk(worker.decoder, slot.form, slot.stored, again));
  if (std::memcmp(again.data(), slot.decoded.data(), again.size()) != 0) {
    return Error(ErrorCode::kCorrupt, "it decodes to other bytes than were encoded");
  }
  return Ok{};
}

std::string PackJob::place_of(const PackRun& run, uint64_t chunk) const {
  if (run.kind == ContentKind::kKept) {
    return text("chunk ", chunk, " of the kept bytes of file ",
                quote(source_.files()[run.number].path));
  }
  return text("chunk ", chunk, " of tensor ", quote(source_.tensors()[run.number].name));
}

Status PackJob::consume(const Slot& slot, uint64_t item) {
  const PackRun& run = plan_.run_of(item);
  pass_runs_until(static_cast<size_t>(&run - plan_.runs().data()) + 1);
  EncodedChunk chunk{slot.form, slot.stored, slot.stored_checksum, slot.decoded_checksum};
  QLOAD_CHECK(writer_.append_chunk(chunk));
  digest_.update(slot.decoded);
  progress_.add(slot.decoded.size());
  return Ok{};
}

/// Begins every run below `run` that has not begun, ending the ones before: runs without chunks
/// of their own, empty tensors and duplicates, are written this way.
void PackJob::pass_runs_until(size_t run) {
  while (next_run_ < run) {
    if (run_is_open_) end_run();
    begin_run(plan_.runs()[next_run_++]);
  }
}

void PackJob::begin_run(const PackRun& run) {
  run_is_open_ = !run.shared_run;
  digest_.reset();
  if (run.kind == ContentKind::kKept) return writer_.begin_kept(run.number);
  if (run.opens_group) writer_.begin_group(run.stack, run.layer);
  const SourceTensor& tensor = source_.tensors()[run.number];
  TensorEntry entry{tensor.name,  tensor.dtype, tensor.shape,
                    tensor.bytes, tensor.file,  tensor.offset};
  if (!run.shared_run) return writer_.begin_tensor(entry);
  // Runs of tensors come first, so that a run's number is its tensor's in the container.
  writer_.add_duplicate(entry, *run.shared_run);
  progress_.add(tensor.bytes);
}

void PackJob::end_run() {
  const PackRun& run = plan_.runs()[next_run_ - 1];
  run_is_open_ = false;
  if (run.kind == ContentKind::kKept) return writer_.end_kept(digest_.finish());
  writer_.end_tensor(digest_.finish());
}

}  // namespace

Result<PackReport> pack_model(const ModelSource& source, const std::filesystem::path& output,
                              const PackOptions& options,
                              const std::function<void(const PackProgress&)>& on_progress,
                              std::stop_token stop) {
  QLOAD_CHECK(check_options(options));
  QLOAD_TRY(uint32_t threads, choose_thread_count(options.threads));
  SourceWatch watch(source);
  QLOAD_CHECK(watch.check_apart_from(output));
  ProgressMeter progress(on_progress, source.bytes());
  QLOAD_TRY(std::vector<uint32_t> same_as, find_duplicates(source, threads, progress, stop));
  QLOAD_TRY(PackPlan plan, PackPlan::create(source, options.chunk_bytes, same_as));
  threads = static_cast<uint32_t>(
      std::clamp<uint64_t>(threads, 1, std::max<uint64_t>(plan.item_count(), 1)));

  QLOAD_TRY(const PackRecipe recipe, choose_pack_recipe(source, plan, options, threads, stop));

  QLOAD_TRY(ContainerWriter writer,
            ContainerWriter::create(output, {.alignment = options.alignment,
                                             .extent_bytes = options.extent_bytes,
                                             .overwrite = options.overwrite,
                                             .chunk_count_hint = plan.item_count()}));
  for (const SourceFile& file : source.files()) {
    writer.add_file({file.path, static_cast<uint16_t>(file.format), file.bytes, file.header_bytes});
  }
  {
    // Its buffers are gone before the index is written: the peak does not grow with the index.
    PackJob job(source, plan, recipe, options.verify, threads, writer, progress);
    QLOAD_CHECK(job.run(stop));
  }
  QLOAD_CHECK(watch.check_unchanged());
  QLOAD_TRY(uint64_t container_bytes, writer.finish());
  progress.finish();

  PackReport report;
  report.source_bytes = source.bytes();
  report.container_bytes = container_bytes;
  report.tensor_count = source.tensors().size();
  report.duplicate_count = plan.duplicate_count();
  report.duplicate_bytes = plan.duplicate_bytes();
  report.chunk_count = plan.item_count();
  report.threads = threads;
  report.seconds = progress.seconds();
  return report;
}

}  // namespace qload
