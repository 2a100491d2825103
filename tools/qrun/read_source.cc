#include "tools/qrun/read_source.h"

#include <utility>
#include <vector>

#include "format/base/try.h"
#include "tools/qrun/mapped_memory.h"
#include "tools/qrun/read_layout.h"
#include "tools/qrun/step_reader.h"
#include "tools/qrun/stopwatch.h"

namespace qload::qrun {
namespace {

/// Rows of a tensor in a file, one at a time: for an embedding, of which a token needs one row.
class FileRows : public RowStrips {
 public:
  FileRows(const ModelSource& source, const ModelTensor& tensor, uint64_t row_bytes,
           uint32_t worker_count)
      : source_(source), tensor_(tensor), row_bytes_(row_bytes), workers_(worker_count) {}

  Status seek(uint32_t worker, uint64_t row) override {
    workers_[worker].next_row = row;
    return Ok{};
  }
  Result<RowStrip> next_rows(uint32_t worker, uint64_t) override {
    Worker& at = workers_[worker];
    at.row.resize(row_bytes_);
    QLOAD_CHECK(source_.read(tensor_.file, tensor_.offset + at.next_row * row_bytes_, at.row));
    return RowStrip{at.row.data(), at.next_row++, 1};
  }

 private:
  struct Worker {
    uint64_t next_row = 0;
    std::vector<std::byte> row;
  };
  const ModelSource& source_;
  const ModelTensor& tensor_;
  const uint64_t row_bytes_;
  std::vector<Worker> workers_;
};

class ReadSource : public WeightSource {
 public:
  ReadSource(const ModelFile& model, const WeightPlan& plan, ReadLayout layout,
             std::vector<DirectFile> files, uint32_t worker_count)
      : tensors_(model.tensors()),
        plan_(plan),
        layout_(std::move(layout)),
        places_(tensors_.size()),
        reader_(std::move(files)) {
    if (!layout_.embedding_by_rows) return;
    const uint32_t embedding = plan.steps.front()[plan.embedding.slot];
    embedding_rows_ = std::make_unique<FileRows>(*model.plain(), model.tensors()[embedding],
                                                 plan.embedding.row_bytes, worker_count);
  }

  /// Gets the memory and reads what is resident.
  Status load() {
    const Stopwatch watch;
    QLOAD_TRY(resident_, MappedMemory::allocate(layout_.resident.buffer_bytes));
    for (MappedMemory& buffer : buffers_) {
      QLOAD_TRY(buffer, MappedMemory::allocate(layout_.step_bytes_max));
    }
    reader_.start(layout_.resident, resident_.bytes());
    QLOAD_CHECK(reader_.wait());
    place(layout_.resident, resident_.bytes());
    load_seconds_ = watch.seconds();
    return Ok{};
  }

  Result<std::span<const TensorBytes>> begin_step(uint32_t step) override {
    const Stopwatch watch;
    const ReadGroup& group = layout_.steps[step];
    if (!group.runs.empty()) {
      if (started_step_ != step) start_reading(step);
      started_step_ = kNoStep;
      QLOAD_CHECK(reader_.wait());
      place(group, buffers_[next_buffer_].bytes());
      next_buffer_ = 1 - next_buffer_;
      // The other buffer was this step's predecessor's, which has ended.
      start_reading(next_read_step(step));
    }
    wait_seconds_ += watch.seconds();
    return list_step(step);
  }

  void end_step() override {}

  WeightStatistics statistics() const override {
    return {.load_seconds = load_seconds_,
            .wait_seconds = wait_seconds_,
            .bytes_read = reader_.bytes_read(),
            .resident_bytes = layout_.resident.buffer_bytes,
            .direct = reader_.direct()};
  }

 private:
  static constexpr uint32_t kNoStep = 0xFFFF'FFFF;

  void start_reading(uint32_t step) {
    reader_.start(layout_.steps[step], buffers_[next_buffer_].bytes());
    started_step_ = step;
  }

  /// The first step after `step`, in this pass or the next, that reads anything. There is one:
  /// `step` itself.
  uint32_t next_read_step(uint32_t step) const {
    do {
      step = (step + 1) % plan_.step_count();
    } while (layout_.steps[step].runs.empty());
    return step;
  }

  void place(const ReadGroup& group, std::span<const std::byte> buffer) {
    for (size_t i = 0; i < group.tensors.size(); ++i) {
      const uint32_t tensor = group.tensors[i];
      places_[tensor] = buffer.subspan(group.places[i], tensors_[tensor].bytes);
    }
  }

  std::span<const TensorBytes> list_step(uint32_t step) {
    step_.clear();
    for (const uint32_t tensor : plan_.steps[step]) {
      const bool by_row = step == 0 && embedding_rows_ && step_.size() == plan_.embedding.slot;
      if (by_row) {
        step_.push_back({.strips = embedding_rows_.get()});
      } else {
        step_.push_back({.data = places_[tensor]});
      }
    }
    return step_;
  }

  const std::span<const ModelTensor> tensors_;
  const WeightPlan& plan_;
  const ReadLayout layout_;
  std::vector<std::span<const std::byte>> places_;  // Of tensors_, where they were read last.
  std::unique_ptr<FileRows> embedding_rows_;
  std::vector<TensorBytes> step_;
  MappedMemory resident_;
  MappedMemory buffers_[2];
  uint32_t next_buffer_ = 0;  // The one that is read into.
  uint32_t started_step_ = kNoStep;
  double load_seconds_ = 0;
  double wait_seconds_ = 0;
  StepReader reader_;  // Last: it stops before the memory goes.
};

}  // namespace

Result<std::unique_ptr<WeightSource>> open_read_source(const ModelFile& model,
                                                       const WeightPlan& plan,
                                                       const WeightOptions& options) {
  std::vector<DirectFile> files;
  for (uint32_t file = 0; file < model.plain()->files().size(); ++file) {
    QLOAD_TRY(DirectFile direct, DirectFile::reopen(model.plain()->handle(file), options.buffered));
    files.push_back(std::move(direct));
  }
  auto source = std::make_unique<ReadSource>(
      model, plan, plan_reads(model.tensors(), plan, options.resident_bytes), std::move(files),
      options.thread_count);
  QLOAD_CHECK(source->load());
  return std::unique_ptr<WeightSource>(std::move(source));
}

}  // namespace qload::qrun
