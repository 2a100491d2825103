#include "tools/quantize/write_weights.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "tools/quantize/llama_gguf.h"

namespace qload::quantize {
namespace {

// Bytes of one piece of a tensor that is copied.
constexpr uint64_t kCopyBytes = 1u << 20;

/// Rows of a tensor, or for a copy bytes.
struct Piece {
  uint32_t plan;
  RowRange range;
};

std::vector<Piece> cut_pieces(const ModelSource& source, std::span<const TensorPlan> plans) {
  std::vector<Piece> pieces;
  for (uint32_t i = 0; i < plans.size(); ++i) {
    if (plans[i].treatment != Treatment::kCopy) {
      const uint64_t unit = std::max<uint64_t>(1, plans[i].head_rows);
      for (const RowRange& range : cut_rows(plans[i].rows, plans[i].columns, unit)) {
        pieces.push_back({i, range});
      }
      continue;
    }
    const uint64_t bytes = source.tensors()[plans[i].source].bytes;
    for (uint64_t at = 0; at < bytes; at += kCopyBytes) {
      pieces.push_back({i, {at, std::min(kCopyBytes, bytes - at)}});
    }
  }
  return pieces;
}

/// A piece made, waiting to be written.
struct Slot {
  EncodedPiece piece;
  StatisticsSums sums;
};

/// One thread's memory.
struct Scratch {
  RowBuffer rows;
  std::vector<float> decoded;
};

class WeightWriter {
 public:
  WeightWriter(const WriteWork& work, AtomicFile& file)
      : work_(work),
        file_(file),
        pieces_(cut_pieces(work.source, work.plans)),
        scratch_(work.threads),
        slots_(pipeline_slot_count(work.threads)),
        figures_(work.plans.size()) {}

  Status run() {
    for (uint32_t i = 0; i < work_.plans.size(); ++i) QLOAD_CHECK(write_small_outputs(i));
    OrderedWork work;
    work.item_count = pieces_.size();
    work.threads = work_.threads;
    work.produce = [this](uint32_t thread, uint32_t slot, uint64_t item) {
      return make(scratch_[thread], slots_[slot], pieces_[item]);
    };
    work.consume = [this](uint32_t slot, uint64_t item) { return write(slots_[slot], item); };
    return run_ordered(work, work_.stop);
  }

  std::vector<std::optional<TensorStatistics>> take_figures() { return std::move(figures_); }

 private:
  const SourceTensor& tensor_of(const TensorPlan& plan) const {
    return work_.source.tensors()[plan.source];
  }

  /// What is known before the weights are read: scales of whole matrices and columns, factors and
  /// numbers of channels.
  Status write_small_outputs(uint32_t number) {
    const TensorPlan& plan = work_.plans[number];
    const MatrixSteps& steps = work_.steps[number];
    if (plan.treatment == Treatment::kInt8Matrix) {
      QLOAD_CHECK(write_values(plan.scale_output, 0, std::span(&steps.matrix.scale, 1)));
    }
    if (plan.treatment == Treatment::kInt8Columns) {
      QLOAD_CHECK(write_values(plan.scale_output, 0, std::span(steps.column_scales)));
    }
    QLOAD_CHECK(write_values(plan.smooth_output, 0, std::span(plan.smooth)));
    return write_values(plan.outlier_number_output, 0, std::span(plan.outliers));
  }

  Status make(Scratch& scratch, Slot& slot, const Piece& piece) const {
    const TensorPlan& plan = work_.plans[piece.plan];
    const SourceTensor& tensor = tensor_of(plan);
    EncodedPiece& encoded = slot.piece;
    if (plan.treatment == Treatment::kCopy) {
      encoded.weights.resize(piece.range.count);
      return work_.source.read(tensor.file, tensor.offset + piece.range.first, encoded.weights);
    }
    const WeightMatrix matrix = plan.matrix(work_.source);
    QLOAD_CHECK(read_rows(work_.source, matrix, piece.range, scratch.rows));
    const MatrixSteps& steps = work_.steps[piece.plan];
    const Status status = encode_piece(plan, steps, piece.range, scratch.rows.values, encoded);
    if (!status.ok()) return status.error().at(text("tensor ", quote(tensor.name)));
    if (work_.measure && plan.is_quantized()) measure(plan, steps, piece.range, scratch, slot);
    if (plan.head_rows > 0) {
      scratch.rows.bytes.assign(encoded.weights.begin(), encoded.weights.end());
      interleave_head_rows(plan.head_rows, piece.range.count, scratch.rows.bytes, encoded.weights);
    }
    return Ok{};
  }

  void measure(const TensorPlan& plan, const MatrixSteps& steps, RowRange range, Scratch& scratch,
               Slot& slot) const {
    slot.sums = StatisticsSums();
    slot.sums.add_weights(tensor_of(plan).dtype, scratch.rows.bytes, scratch.rows.values);
    slot.sums.add_codes(plan.dtype, slot.piece.weights);
    scratch.decoded.resize(scratch.rows.values.size());
    decode_piece(plan, steps, range, slot.piece, scratch.decoded);
    slot.sums.add_errors(scratch.rows.values, scratch.decoded);
  }

  Status write(const Slot& slot, uint64_t item) {
    const Piece& piece = pieces_[item];
    const TensorPlan& plan = work_.plans[piece.plan];
    const bool is_copy = plan.treatment == Treatment::kCopy;
    const uint64_t unit_bytes = is_copy ? 1 : slot.piece.weights.size() / piece.range.count;
    QLOAD_CHECK(
        write_values(plan.weight, piece.range.first * unit_bytes, std::span(slot.piece.weights)));
    if (plan.treatment == Treatment::kInt8Rows) {
      QLOAD_CHECK(write_values(plan.scale_output, piece.range.first * sizeof(float),
                               std::span(slot.piece.scales)));
    }
    if (!plan.outliers.empty()) QLOAD_CHECK(write_outliers(plan, piece.range, slot.piece.outliers));
    if (work_.measure && plan.is_quantized()) add_figures(slot.sums, item);
    work_.on_bytes(is_copy ? piece.range.count
                           : piece.range.count * plan.columns *
                                 find_dtype(tensor_of(plan).dtype)->block_bytes);
    return Ok{};
  }

  Status write_outliers(const TensorPlan& plan, RowRange range,
                        std::span<const std::byte> outliers) {
    // Rows before this piece that have outliers, and the bytes of each.
    uint64_t rows = range.first;
    uint64_t row_bytes = plan.outliers.size() * sizeof(uint16_t);
    if (plan.input_axis == InputAxis::kRows) {
      const auto first = std::ranges::lower_bound(plan.outliers, range.first);
      rows = static_cast<uint64_t>(first - plan.outliers.begin());
      row_bytes = plan.columns * sizeof(uint16_t);
    }
    return write_values(plan.outlier_output, rows * row_bytes, outliers);
  }

  /// Pieces of a tensor come one after the other; behind the last its sums become figures, so that
  /// memory does not follow the number of tensors.
  void add_figures(const StatisticsSums& sums, uint64_t item) {
    sums_.merge(sums);
    const uint32_t plan = pieces_[item].plan;
    if (item + 1 < pieces_.size() && pieces_[item + 1].plan == plan) return;
    figures_[plan] = sums_.finish();
    sums_ = StatisticsSums();
  }

  template <class T>
  Status write_values(uint32_t output, uint64_t offset, std::span<const T> values) {
    if (values.empty()) return Ok{};
    return file_.write_at(work_.outputs[output].offset + offset, std::as_bytes(values));
  }
  template <class T>
  Status write_values(uint32_t output, uint64_t offset, std::span<T> values) {
    return write_values(output, offset, std::span<const T>(values));
  }

  const WriteWork& work_;
  AtomicFile& file_;
  const std::vector<Piece> pieces_;
  std::vector<Scratch> scratch_;
  std::vector<Slot> slots_;
  StatisticsSums sums_;  // Of the tensor whose pieces are being written.
  std::vector<std::optional<TensorStatistics>> figures_;
};

}  // namespace

Result<std::vector<std::optional<TensorStatistics>>> write_weights(const WriteWork& work,
                                                                   AtomicFile& file) {
  WeightWriter writer(work, file);
  QLOAD_CHECK(writer.run());
  return writer.take_figures();
}

}  // namespace qload::quantize
