#include "tools/quantize/quantize.h"

#include <algorithm>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "format/pack/progress_meter.h"
#include "format/pack/source_watch.h"
#include "tools/encode/float_rows.h"
#include "tools/quantize/config_hints.h"
#include "tools/quantize/llama_gguf.h"
#include "tools/quantize/output_file.h"
#include "tools/quantize/smoothing.h"
#include "tools/quantize/source_metadata.h"
#include "tools/quantize/weight_maxima.h"
#include "tools/quantize/write_weights.h"

namespace qload::quantize {
namespace {

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

/// safetensors for every scheme; GGUF for those that write it, because its keys have no other
/// place.
Status check_format(const ModelSource& source, Scheme scheme) {
  for (const SourceFile& file : source.files()) {
    if (file.format == SourceFormat::kSafetensors || file.format == SourceFormat::kCompanion) {
      continue;
    }
    if (file.format == SourceFormat::kGguf && writes_gguf(scheme)) continue;
    return Error(ErrorCode::kUnsupported,
                 text(quote(file.path), " is ", source_format_name(file.format), ", scheme ",
                      scheme_name(scheme), " reads ",
                      writes_gguf(scheme) ? "safetensors and gguf" : "safetensors"));
  }
  return Ok{};
}

Status check_something_quantized(std::span<const TensorPlan> plans, Scheme scheme) {
  if (std::ranges::any_of(plans, &TensorPlan::is_quantized)) return Ok{};
  return invalid(text("none of ", plans.size(),
                      " tensors can be quantized: expected a matrix of F32, F16 or BF16 with at "
                      "least ",
                      kDimensionMin, " rows and columns",
                      writes_gguf(scheme) ? ", its rows of whole blocks of 32 weights" : ""));
}

/// The maxima that a matrix has to be encoded with, if any.
std::optional<MaximaOf> maxima_needed(const TensorPlan& plan) {
  if (plan.treatment == Treatment::kInt8Matrix) return MaximaOf::kMatrix;
  if (plan.treatment == Treatment::kInt8Columns) return MaximaOf::kColumns;
  return std::nullopt;
}

/// One run, step by step.
class Quantizer {
 public:
  Quantizer(const ModelSource& source, const QuantizeOptions& options, std::stop_token stop)
      : source_(source), options_(options), stop_(std::move(stop)) {}

  Result<QuantizeReport> run(const std::filesystem::path& input,
                             const std::filesystem::path& output,
                             const std::function<void(const PackProgress&)>& on_progress) {
    QLOAD_CHECK(check_format(source_, options_.scheme));
    QLOAD_TRY(report_.threads, choose_thread_count(options_.threads));
    const SourceWatch watch(source_);
    QLOAD_CHECK(watch.check_apart_from(output));
    QLOAD_TRY(plans_, plan_tensors(source_, options_));
    QLOAD_CHECK(check_something_quantized(plans_, options_.scheme));
    QLOAD_TRY(metadata_, read_source_metadata(source_));
    QLOAD_TRY(const auto config, find_config_text(source_, metadata_, input, options_.config));
    QLOAD_CHECK(find_groups(config));
    QLOAD_CHECK(find_llama(config));
    ProgressMeter meter(on_progress, bytes_to_read());
    on_bytes_ = [&meter](uint64_t bytes) { meter.add(bytes); };
    QLOAD_CHECK(use_activations());
    QLOAD_CHECK(write(output, watch));
    meter.finish();
    report_.seconds = meter.seconds();
    return std::move(report_);
  }

 private:
  Status find_groups(const std::optional<ConfigText>& config) {
    if (options_.scheme != Scheme::kSmoothQuant) return Ok{};
    QLOAD_TRY(const ConfigHints hints, read_config_hints(config));
    const TensorTable tensors(source_.tensors());
    groups_ = find_smoothing_groups(tensors, plans_, hints, options_.fold);
    return Ok{};
  }

  /// A Llama of safetensors becomes one of GGUF.
  Status find_llama(const std::optional<ConfigText>& config) {
    if (!writes_gguf(options_.scheme) || is_gguf(source_) || !config) return Ok{};
    QLOAD_TRY(llama_, read_llama_facts(*config));
    if (llama_ && !plan_llama(source_, *llama_, plans_)) llama_.reset();
    return Ok{};
  }

  uint64_t source_bytes(const TensorPlan& plan) const {
    return source_.tensors()[plan.source].bytes;
  }

  /// Of all passes together.
  uint64_t bytes_to_read() const {
    uint64_t bytes = 0;
    for (const TensorPlan& plan : plans_) {
      bytes += source_bytes(plan) * (maxima_needed(plan) ? 2 : 1);
    }
    for (const SmoothingGroup& group : groups_) {
      for (const uint32_t consumer : group.consumers) bytes += source_bytes(plans_[consumer]);
    }
    return bytes;
  }

  Status use_activations() {
    if (!needs_activations(options_.scheme)) return Ok{};
    QLOAD_TRY(const ActivationMaxima activations, ActivationMaxima::open(options_.activations));
    if (options_.scheme == Scheme::kLlmInt8) return find_outliers(activations);
    const SmoothingWork work = {.source = source_,
                                .activations = activations,
                                .groups = groups_,
                                .alpha = options_.alpha,
                                .threads = report_.threads,
                                .on_bytes = on_bytes_,
                                .stop = stop_};
    for (const SmoothingGroup& group : groups_) {
      (group.folds.empty() ? report_.stored_factor_count : report_.folded_count) +=
          group.consumers.size();
    }
    return smooth_plans(work, plans_);
  }

  Status find_outliers(const ActivationMaxima& activations) {
    for (TensorPlan& plan : plans_) {
      if (!plan.is_quantized() || plan.is_embedding) continue;
      const std::string& name = source_.tensors()[plan.source].name;
      QLOAD_TRY(const std::vector<float> maxima, activations.find(name, plan.input_channels()));
      for (uint32_t i = 0; i < maxima.size(); ++i) {
        if (maxima[i] > options_.threshold) plan.outliers.push_back(i);
      }
    }
    return Ok{};
  }

  /// What has to be known of whole matrices; reads them once where the scheme needs it.
  Result<std::vector<MatrixSteps>> find_steps() const {
    std::vector<MaximaRequest> requests;
    std::vector<size_t> owners;
    for (size_t i = 0; i < plans_.size(); ++i) {
      const auto of = maxima_needed(plans_[i]);
      if (!of) continue;
      requests.push_back({plans_[i].matrix(source_), *of, plans_[i].outlier_rows()});
      owners.push_back(i);
    }
    QLOAD_TRY(const auto maxima, find_maxima(source_, requests, report_.threads, on_bytes_, stop_));
    std::vector<MatrixSteps> steps(plans_.size());
    for (size_t i = 0; i < owners.size(); ++i) {
      steps[owners[i]] = make_steps(plans_[owners[i]].treatment, maxima[i]);
    }
    return steps;
  }

  Status write(const std::filesystem::path& output, const SourceWatch& watch) {
    QLOAD_TRY(std::vector<encode::OutputTensor> outputs, list_outputs(source_, plans_));
    if (llama_) rename_llama(outputs);
    QLOAD_TRY(const encode::OutputLayout layout,
              lay_out_output(source_, metadata_, options_, llama_, outputs));
    QLOAD_TRY(AtomicFile file, AtomicFile::create(output, {.overwrite = options_.overwrite}));
    QLOAD_CHECK(file.reserve(layout.file_bytes));
    QLOAD_CHECK(file.write_at(0, layout.header));
    QLOAD_TRY(const std::vector<MatrixSteps> steps, find_steps());
    const WriteWork work = {.source = source_,
                            .plans = plans_,
                            .steps = steps,
                            .outputs = outputs,
                            .threads = report_.threads,
                            .measure = options_.measure,
                            .on_bytes = on_bytes_,
                            .stop = stop_};
    QLOAD_TRY(const auto figures, write_weights(work, file));
    QLOAD_CHECK(watch.check_unchanged());
    QLOAD_CHECK(file.commit());
    report_.output_bytes = layout.file_bytes;
    fill_report(figures);
    return Ok{};
  }

  void fill_report(std::span<const std::optional<TensorStatistics>> figures) {
    report_.source_bytes = source_.bytes();
    report_.gguf_llama = llama_.has_value();
    report_.gguf_names_kept = writes_gguf(options_.scheme) && !is_gguf(source_) && !llama_;
    report_.tensor_count = plans_.size();
    for (size_t i = 0; i < plans_.size(); ++i) {
      const TensorPlan& plan = plans_[i];
      const SourceTensor& tensor = source_.tensors()[plan.source];
      if (!plan.is_quantized()) {
        ++(encode::is_plain_float(tensor.dtype) ? report_.kept_count : report_.other_count);
        continue;
      }
      ++report_.quantized_count;
      report_.quantized_source_bytes += tensor.bytes;
      report_.outlier_count += plan.outliers.size();
      report_.tensors.push_back({.name = tensor.name,
                                 .shape = tensor.shape,
                                 .source_dtype = tensor.dtype,
                                 .outlier_count = plan.outliers.size(),
                                 .statistics = figures[i].value_or(TensorStatistics())});
    }
  }

  const ModelSource& source_;
  const QuantizeOptions& options_;
  const std::stop_token stop_;
  std::vector<TensorPlan> plans_;
  encode::SafetensorsMetadata metadata_;
  std::vector<SmoothingGroup> groups_;  // Of kSmoothQuant.
  std::optional<LlamaFacts> llama_;     // Of a Llama that becomes GGUF.
  std::function<void(uint64_t)> on_bytes_;
  QuantizeReport report_;
};

Status check_options(const QuantizeOptions& options) {
  if (!(options.alpha >= 0 && options.alpha <= 1)) return invalid("alpha is not in [0, 1]");
  if (!(options.threshold >= 0)) return invalid("the outlier threshold is negative or no number");
  if (needs_activations(options.scheme) && options.activations.empty()) {
    return invalid(text("scheme ", scheme_name(options.scheme), " needs a file of activations"));
  }
  return Ok{};
}

}  // namespace

Result<QuantizeReport> quantize_model(const ModelSource& source, const std::filesystem::path& input,
                                      const std::filesystem::path& output,
                                      const QuantizeOptions& options,
                                      const std::function<void(const PackProgress&)>& on_progress,
                                      std::stop_token stop) {
  QLOAD_CHECK(check_options(options));
  return Quantizer(source, options, std::move(stop)).run(input, output, on_progress);
}

}  // namespace qload::quantize
