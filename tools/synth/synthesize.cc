#include "tools/synth/synthesize.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/synth/synth_layout.h"
#include "tools/synth/weight_statistics.h"

namespace qload::synth {
namespace {

// Enough for a model of a few terabytes, and a bound on the tables.
constexpr uint32_t kLayersMax = 4096;
// Output of one job: large enough to write fast, small enough that threads share one tensor.
constexpr uint64_t kPieceBytes = 1u << 20;
constexpr auto kProgressInterval = std::chrono::milliseconds(50);

/// Rows [first_row, first_row + row_count) of one weight.
struct Piece {
  size_t weight;
  uint64_t first_row;
  uint64_t row_count;
};

std::vector<Piece> cut_pieces(const SynthLayout& layout) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < layout.weights.size(); ++i) {
    const PlacedWeight& weight = layout.weights[i];
    const uint64_t row_bytes = weight.bytes / weight.spec.rows;
    const uint64_t rows = std::max<uint64_t>(1, kPieceBytes / row_bytes);
    for (uint64_t row = 0; row < weight.spec.rows; row += rows) {
      pieces.push_back({i, row, std::min(rows, weight.spec.rows - row)});
    }
  }
  return pieces;
}

/// What the workers share. Pieces are taken in order; the file is written under the mutex.
class Writer {
 public:
  Writer(const SynthLayout& layout, const SynthOptions& options, uint32_t layers, AtomicFile& file,
         std::stop_token stop)
      : layout_(layout),
        options_(options),
        layers_(layers),
        file_(file),
        stop_(std::move(stop)),
        bell_(usual_tail_weight()),
        pieces_(cut_pieces(layout)) {
    if (!options.measure) return;
    counts_.resize(layout.weights.size());
    for (size_t i = 0; i < counts_.size(); ++i) {
      counts_[i].kind = layout.weights[i].spec.kind;
      counts_[i].encoding = layout.weights[i].encoding;
    }
  }

  /// Runs `threads` workers to the end; on_progress on this thread.
  Status run(uint32_t threads, const std::function<void(uint64_t, uint64_t)>& on_progress) {
    std::vector<std::jthread> workers;
    running_ = threads;
    for (uint32_t i = 0; i < threads; ++i) workers.emplace_back([this] { work(); });
    std::unique_lock lock(mutex_);
    while (!finished_.wait_for(lock, kProgressInterval, [this] { return running_ == 0; })) {
      const uint64_t done = bytes_done_;
      lock.unlock();
      if (on_progress) on_progress(done, layout_.file_bytes);
      lock.lock();
    }
    if (error_) return *error_;
    if (stop_.stop_requested()) return Error(ErrorCode::kCancelled, "stopped on request");
    return Ok{};
  }

  std::span<const TensorCounts> counts() const { return counts_; }

 private:
  void work() {
    std::vector<float> values;
    std::vector<std::byte> encoded;
    while (!stop_.stop_requested() && !failed_) {
      const size_t next = next_piece_.fetch_add(1);
      if (next >= pieces_.size()) break;
      write_piece(pieces_[next], values, encoded);
    }
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) finished_.notify_all();
  }

  void write_piece(const Piece& piece, std::vector<float>& values,
                   std::vector<std::byte>& encoded) {
    const PlacedWeight& weight = layout_.weights[piece.weight];
    const WeightValues source(weight.spec, bell_, layers_, options_.seed);
    const uint64_t row_bytes = weight.bytes / weight.spec.rows;
    values.resize(weight.spec.columns);
    encoded.resize(row_bytes * piece.row_count);
    ByteWriter scales;
    for (uint64_t i = 0; i < piece.row_count; ++i) {
      source.fill_row(piece.first_row + i, values);
      const auto out = std::span(encoded).subspan(i * row_bytes, row_bytes);
      const float scale = encode_row(weight.encoding, values, source.absolute_max(), out);
      const bool keep = weight.encoding == Encoding::kInt8Channel ||
                        (weight.encoding == Encoding::kInt8Tensor && piece.first_row + i == 0);
      if (keep) scales.write(scale);
    }
    auto counts = std::make_unique<ByteCounts>();
    if (options_.measure) counts->count(weight.encoding, encoded);

    const std::lock_guard lock(mutex_);
    if (options_.measure) counts_[piece.weight].counts.merge(*counts);
    keep_error(file_.write_at(weight.offset + piece.first_row * row_bytes, encoded));
    if (scales.offset() > 0) {
      const uint64_t place = weight.scale_offset + piece.first_row * sizeof(float);
      keep_error(file_.write_at(place, scales.bytes()));
    }
    bytes_done_ += encoded.size() + scales.offset();
  }

  /// The first error wins and stops the others. REQUIRES: mutex_ held.
  void keep_error(const Status& status) {
    if (status.ok() || error_) return;
    error_ = status.error();
    failed_ = true;
  }

  const SynthLayout& layout_;
  const SynthOptions& options_;
  const uint32_t layers_;
  AtomicFile& file_;
  const std::stop_token stop_;
  const BellTable bell_;
  const std::vector<Piece> pieces_;
  std::atomic<size_t> next_piece_ = 0;
  std::atomic<bool> failed_ = false;

  std::mutex mutex_;  // Guards everything below, and file_.
  std::condition_variable finished_;
  std::vector<TensorCounts> counts_;
  std::optional<Error> error_;
  uint64_t bytes_done_ = 0;
  uint32_t running_ = 0;
};

Result<SynthLayout> lay_out(const SynthOptions& options, uint32_t layers) {
  Architecture architecture = options.architecture;
  architecture.layers = layers;
  std::vector<WeightSpec> weights = list_weights(architecture);
  return options.gguf ? lay_out_gguf(std::move(weights), options.scheme, architecture)
                      : lay_out_safetensors(std::move(weights), options.scheme, architecture);
}

/// The number of layers to write: as asked, or what comes nearest to the size asked for.
Result<uint32_t> choose_layers(const SynthOptions& options) {
  if (options.layers) {
    if (*options.layers < 1 || *options.layers > kLayersMax) {
      return Error(ErrorCode::kInvalidArgument,
                   text("layers ", *options.layers, " is not in [1, ", kLayersMax, "]"));
    }
    return *options.layers;
  }
  if (!options.bytes) return options.architecture.layers;
  QLOAD_TRY(const SynthLayout one, lay_out(options, 1));
  QLOAD_TRY(const SynthLayout two, lay_out(options, 2));
  const uint64_t layer_bytes = std::max<uint64_t>(1, two.file_bytes - one.file_bytes);
  const uint64_t rest = *options.bytes > one.file_bytes ? *options.bytes - one.file_bytes : 0;
  const uint64_t more = (rest + layer_bytes / 2) / layer_bytes;
  return static_cast<uint32_t>(std::min<uint64_t>(1 + more, kLayersMax));
}

}  // namespace

Result<SynthReport> synthesize(const std::filesystem::path& output, const SynthOptions& options,
                               const std::function<void(uint64_t, uint64_t)>& on_progress,
                               std::stop_token stop) {
  const auto start = std::chrono::steady_clock::now();
  SynthReport report;
  QLOAD_TRY(report.layers, choose_layers(options));
  QLOAD_TRY(const SynthLayout layout, lay_out(options, report.layers));
  QLOAD_TRY(AtomicFile file, AtomicFile::create(output, {.overwrite = options.overwrite}));
  QLOAD_CHECK(file.write_at(0, layout.header));
  // GGUF pads its last tensor; the weights overwrite this byte where there is no padding.
  const std::byte zero{0};
  QLOAD_CHECK(file.write_at(layout.file_bytes - 1, std::span(&zero, 1)));

  report.threads = options.threads;
  if (report.threads == 0) report.threads = std::max(1u, std::thread::hardware_concurrency());
  Writer writer(layout, options, report.layers, file, std::move(stop));
  QLOAD_CHECK(writer.run(report.threads, on_progress));
  QLOAD_CHECK(file.commit());
  report.entropies = summarize_entropies(writer.counts());
  report.file_bytes = layout.file_bytes;
  report.tensor_count = layout.weights.size();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace qload::synth
