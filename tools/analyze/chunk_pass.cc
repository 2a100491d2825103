#include "tools/analyze/chunk_pass.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "tools/analyze/chunk_counts.h"
#include "tools/analyze/chunk_meter.h"
#include "tools/analyze/kind_histograms.h"
#include "tools/analyze/tensor_counts.h"
#include "tools/analyze/tensor_kind.h"
#include "tools/report/container_facts.h"

namespace qload::analyze {
namespace {

/// One chunk between the worker that looks at it and the calling thread that adds it up.
struct Slot {
  ChunkCounts counts;
  bool measured = false;
  CodecTrials trials;
  std::optional<ChunkForm> packed;
};

/// What one worker thread owns.
struct Worker {
  ChunkReader reader;
  ChunkCounter counter;
  ChunkMeter meter;
};

/// produce() runs on the workers, the rest on the calling thread.
class ChunkPass {
 public:
  ChunkPass(const ChunkedModel& model, const SamplingPlan& plan, const PassOptions& options,
            ProgressMeter& progress)
      : model_(model),
        plan_(plan),
        options_(options),
        progress_(progress),
        slots_(pipeline_slot_count(options.threads)),
        workers_(options.threads) {
    result_.sums.resize(model.runs().size());
    result_.values.resize(model.runs().size());
    result_.packed_sizes.resize(model.item_count(), ChunkSize{.stored_bytes = 0});
    choose_largest();
  }

  Result<PassResult> run(std::stop_token stop) {
    OrderedWork work;
    work.item_count = plan_.chunks.size();
    work.threads = options_.threads;
    work.produce = [this](uint32_t thread, uint32_t slot, uint64_t number) {
      const PlannedChunk& chunk = plan_.chunks[number];
      Status status = produce(workers_[thread], slots_[slot], number);
      return status.ok() ? status : Status(status.error().at(place_of(chunk)));
    };
    work.consume = [this](uint32_t slot, uint64_t number) {
      consume(slots_[slot], plan_.chunks[number]);
      return Status(Ok{});
    };
    QLOAD_CHECK(run_ordered(work, std::move(stop)));
    if (run_) finish_run();
    add_known_sizes();
    result_.kind_histograms = kinds_.take();
    return std::move(result_);
  }

 private:
  Status produce(Worker& worker, Slot& slot, uint64_t number);
  void consume(const Slot& slot, const PlannedChunk& planned);
  void begin_run(uint32_t run);
  void finish_run();
  void choose_largest();
  void add_known_sizes();
  void add_packed(const ChunkForm& form, double expected, uint32_t run, uint64_t item);
  std::string place_of(const PlannedChunk& chunk) const;

  const ChunkedModel& model_;
  const SamplingPlan& plan_;
  const PassOptions& options_;
  ProgressMeter& progress_;
  std::vector<Slot> slots_;
  std::vector<Worker> workers_;
  std::vector<bool> keeps_histogram_;
  // The run that is being added up.
  std::optional<uint32_t> run_;
  TensorCounts counts_;
  KindHistograms kinds_;
  PassResult result_;
};

Status ChunkPass::produce(Worker& worker, Slot& slot, uint64_t number) {
  const PlannedChunk& planned = plan_.chunks[number];
  const ChunkRun& run = model_.runs()[planned.run];
  const uint64_t chunk = planned.item - run.first_item;
  if (const uint64_t later = number + slots_.size(); later < plan_.chunks.size()) {
    const PlannedChunk& next = plan_.chunks[later];
    const ChunkRun& next_run = model_.runs()[next.run];
    model_.read_ahead(next_run, next.item - next_run.first_item);
  }
  QLOAD_CHECK(model_.read(run, chunk, worker.reader));
  const std::span<const std::byte> bytes = worker.reader.decoded;
  worker.counter.count(run.dtype, run.kind, bytes, slot.counts);
  slot.measured = planned.measured && run.kind != ContentKind::kKept;
  if (slot.measured) {
    QLOAD_CHECK(worker.meter.try_codecs(run.dtype, run.kind, bytes, slot.trials));
  }
  slot.packed = model_.stored_form(run, chunk);
  if (!slot.packed && planned.measured) {
    slot.packed =
        worker.meter.packed_form(run.dtype, run.kind, bytes, model_.pack_device(run, planned.item));
  }
  return Ok{};
}

void ChunkPass::consume(const Slot& slot, const PlannedChunk& planned) {
  if (run_ != planned.run) {
    if (run_) finish_run();
    begin_run(planned.run);
  }
  RunSums& sums = result_.sums[planned.run];
  const uint64_t bytes = slot.counts.bytes;
  const double best_bits = slot.counts.best_bits();
  sums.entropies.add(best_bits / static_cast<double>(bytes));
  counts_.add(slot.counts);
  if (slot.measured) {
    for (size_t i = 0; i < kComparedCodecCount; ++i) {
      MeasuredSums::Codec& codec = sums.measured.codecs[i];
      const CodecTrial& trial = slot.trials[i];
      codec.sizes.add(bytes, expected_bytes(best_bits), trial.form.stored_bytes);
      codec.encode_seconds += trial.encode_seconds;
      codec.decode_seconds += trial.decode_seconds;
    }
  }
  if (slot.packed) {
    add_packed(*slot.packed, expected_bytes(best_bits), planned.run, planned.item);
  }
  progress_.add(bytes);
}

void ChunkPass::add_packed(const ChunkForm& form, double expected, uint32_t run, uint64_t item) {
  MeasuredSums& sums = result_.sums[run].measured;
  sums.packed.add(form.decoded_bytes, expected, form.stored_bytes);
  sums.packed_decode_seconds += decode_seconds(options_.device, form);
  sums.packed_stream_count += form.stream_count;
  if (form.stored_raw()) sums.packed_raw_bytes += form.decoded_bytes;
  sums.forms[tools::form_text(form)] += form.decoded_bytes;
  result_.packed_sizes[item] = {form.stored_bytes, form.stream_count, form.stored_raw()};
}

/// Forms of chunks that were not read, which a container knows.
void ChunkPass::add_known_sizes() {
  for (uint32_t number = 0; number < model_.runs().size(); ++number) {
    const ChunkRun& run = model_.runs()[number];
    for (uint64_t chunk = 0; chunk < run.chunk_count; ++chunk) {
      const uint64_t item = run.first_item + chunk;
      if (result_.packed_sizes[item].stored_bytes > 0) continue;
      const auto form = model_.stored_form(run, chunk);
      if (!form) break;
      // What is expected of it is not used: nothing is told from known sizes.
      add_packed(*form, 0, number, item);
    }
  }
}

void ChunkPass::begin_run(uint32_t run) {
  run_ = run;
  counts_.begin(model_.runs()[run].dtype, model_.runs()[run].kind);
}

void ChunkPass::finish_run() {
  const ChunkRun& run = model_.runs()[*run_];
  if (run.kind == ContentKind::kKept) return;
  counts_.describe_entropies(result_.sums[*run_].read);
  RunValues& values = result_.values[*run_];
  values.statistics = counts_.statistics();
  values.histogram = counts_.histogram();
  kinds_.add(tensor_kind(run.name, run.shape.size()), run.dtype, values.histogram);
  if (!keeps_histogram_[*run_]) values.histogram = {};
}

void ChunkPass::choose_largest() {
  const std::span<const ChunkRun> runs = model_.runs();
  keeps_histogram_.resize(runs.size(), true);
  if (runs.size() <= kHistogramTensorsMax) return;
  std::vector<uint32_t> order(runs.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::nth_element(order, order.begin() + kHistogramTensorsMax, std::ranges::greater(),
                           [&](uint32_t i) { return runs[i].bytes; });
  for (size_t i = kHistogramTensorsMax; i < order.size(); ++i) keeps_histogram_[order[i]] = false;
}

std::string ChunkPass::place_of(const PlannedChunk& planned) const {
  const ChunkRun& run = model_.runs()[planned.run];
  const uint64_t chunk = planned.item - run.first_item;
  if (run.kind == ContentKind::kKept) return text("chunk ", chunk, " of a file's kept bytes");
  return text("chunk ", chunk, " of tensor ", quote(run.name));
}

}  // namespace

Result<PassResult> run_chunk_pass(const ChunkedModel& model, const SamplingPlan& plan,
                                  const PassOptions& options, ProgressMeter& progress,
                                  std::stop_token stop) {
  ChunkPass pass(model, plan, options, progress);
  return pass.run(std::move(stop));
}

}  // namespace qload::analyze
