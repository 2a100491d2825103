#include "tools/qrun/activation_recorder.h"

#include <algorithm>
#include <cmath>

#include "format/base/format_text.h"
#include "tools/qrun/quantize_row.h"

namespace qload::qrun {
namespace {

std::vector<const MatrixRole*> linears_of(const WeightPlan& plan) {
  std::vector<const MatrixRole*> out;
  for (const LayerRoles& layer : plan.layers) {
    for (const MatrixRole* matrix : layer.matrices()) out.push_back(matrix);
  }
  out.push_back(&plan.output);
  return out;
}

/// That token_count tokens leave.
uint64_t samples_kept(const RecordingOptions& options) {
  return std::min(options.sample_count, options.token_count);
}

}  // namespace

ActivationRecorder::ActivationRecorder(const WeightPlan& plan, const RecordingOptions& options)
    : options_(options) {
  for (const MatrixRole* role : linears_of(plan)) {
    Linear& linear = linears_.emplace_back();
    linear.module = role->module;
    linear.largest_magnitudes.resize(role->columns);
    linear.samples.reserve(samples_kept(options) * role->columns);
  }
  for (size_t i = 0; i < linears_.size(); ++i) by_module_.emplace(linears_[i].module, i);
}

uint64_t ActivationRecorder::memory_bytes(const WeightPlan& plan, const RecordingOptions& options) {
  uint64_t columns = 0;
  for (const MatrixRole* role : linears_of(plan)) columns += role->columns;
  return sizeof(float) * columns * (1 + samples_kept(options));
}

/// Of N tokens, S are sampled: those at which floor(token * S / N) is about to grow. S = 2, N = 5:
/// tokens 2 and 4.
bool ActivationRecorder::is_sampled(uint64_t token) const {
  const uint64_t count = options_.token_count;
  if (token >= count) return false;
  const uint64_t kept = samples_kept(options_);
  return token * kept / count != (token + 1) * kept / count;
}

void ActivationRecorder::record(const MatrixRole& linear, uint64_t first_token,
                                Batch<const float> in) {
  Linear& recorded = linears_[by_module_.at(linear.module)];
  for (size_t i = 0; i < in.vector_count; ++i) {
    const std::span<const float> input(in.vector(i), linear.columns);
    raise_magnitudes(recorded.largest_magnitudes, input);
    if (!is_sampled(first_token + i)) continue;
    recorded.samples.insert(recorded.samples.end(), input.begin(), input.end());
  }
  token_count_ = std::max(token_count_, first_token + in.vector_count);
}

Status ActivationRecorder::check_finite() const {
  for (const Linear& linear : linears_) {
    for (size_t i = 0; i < linear.largest_magnitudes.size(); ++i) {
      if (std::isfinite(linear.largest_magnitudes[i])) continue;
      return Error(ErrorCode::kUnsupported,
                   text("the input of ", quote(linear.module), " is not finite in column ", i));
    }
  }
  return Ok{};
}

}  // namespace qload::qrun
