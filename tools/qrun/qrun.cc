// qrun: runs a Llama model on weights that qload loads. docs/integration.md walks through it.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/profile/device_profile.h"
#include "tools/qrun/activation_file.h"
#include "tools/qrun/generate.h"
#include "tools/qrun/memory_share.h"
#include "tools/qrun/model_facts.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/run_arguments.h"
#include "tools/qrun/run_report.h"
#include "tools/qrun/run_work.h"
#include "tools/qrun/score.h"
#include "tools/qrun/transformer.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"
#include "tools/report/exit_code.h"
#include "tools/report/interrupt.h"
#include "tools/report/progress_bar.h"

namespace qload::qrun {
namespace {

/// Prints tokens as they come: text where there is a vocabulary, else numbers.
class TokenPrinter {
 public:
  explicit TokenPrinter(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}
  void print(uint32_t token) {
    const std::string piece =
        tokenizer_ != nullptr ? tokenizer_->decode(token) : text(first_ ? "" : " ", token);
    first_ = false;
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  }
  void finish() { std::fputc('\n', stdout); }

 private:
  const Tokenizer* tokenizer_;
  bool first_ = true;
};

/// What is known of the device when weights are streamed from it.
Result<StreamRates> read_rates(const std::string& target) {
  StreamRates rates;
  if (target.empty()) return rates;
  QLOAD_TRY(const tools::DeviceProfile profile, tools::find_profile(target));
  rates.storage_rate = profile.device.storage_bytes_per_second;
  rates.decode_rate = profile.device.lane_huffman_rate * full_threads(profile.device);
  return rates;
}

/// Divides the budget of streamed weights and opens them.
Result<std::unique_ptr<WeightSource>> open_source(const ModelFile& model, const WeightPlan& plan,
                                                  uint64_t computing_bytes, RunArguments& arguments,
                                                  RunReport& report) {
  WeightOptions& options = arguments.source;
  if (options.mode == WeightMode::kStreamed) {
    QLOAD_TRY(const MemoryShare share,
              share_memory(arguments.budget_bytes, computing_bytes, options.thread_count));
    options.budget_bytes = share.weight_bytes;
    report.engine_bytes = share.engine_bytes;
  }
  auto source = open_weights(model, plan, options);
  if (source.ok() || source.error().code() != ErrorCode::kBudgetTooSmall) return source;
  // What would do is the weights' share.
  return source.error().at(text("the engine itself takes ", report.engine_bytes,
                                " bytes of the budget, staging a sixteenth of the rest"));
}

Status generate_tokens(Transformer& transformer, const RunArguments& arguments,
                       const ModelFacts& facts, const RunWork& work, RunReport& report) {
  GenerationOptions options;
  options.prompt = work.sequences.front();
  options.token_count_max = arguments.token_count;
  if (!arguments.ignore_end) options.end_tokens = facts.config.end_tokens;
  options.sampler = arguments.sampler;
  options.stop = arguments.source.stop;
  const Tokenizer* tokenizer = facts.tokenizer.get();
  TokenPrinter printer(tokenizer);
  if (!arguments.json) options.on_token = [&](uint32_t token) { printer.print(token); };
  QLOAD_TRY(report.generation, generate(transformer, options));
  if (!arguments.json) printer.finish();
  if (tokenizer != nullptr) report.text = tokenizer->decode(report.generation.tokens);
  report.prompt_token_count = options.prompt.size();
  return Ok{};
}

/// Progress is in bytes of weights that tokens went through.
Status score_sequences(Transformer& transformer, const RunArguments& arguments,
                       const ModelFile& model, const RunWork& work, RunReport& report) {
  uint64_t weight_bytes = 0;
  for (const ModelTensor& tensor : model.tensors()) weight_bytes += tensor.bytes;
  tools::ProgressBar bar(tools::ProgressMode::kTerminal, "score");
  ScoreOptions options;
  options.sequences = work.sequences;
  options.stop = arguments.source.stop;
  options.on_progress = [&](uint64_t token_count) {
    bar.update(token_count * weight_bytes, work.token_count * weight_bytes);
  };
  QLOAD_TRY(report.score, score_tokens(transformer, options));
  report.sequence_count = work.sequences.size();
  return Ok{};
}

/// kInvalidArgument when activations would replace what the run reads.
Status check_collection_path(const RunArguments& arguments, const ModelFile& model) {
  std::vector<std::string> inputs = {arguments.model, arguments.config, arguments.tokenizer,
                                     arguments.score_file};
  if (model.plain() != nullptr) {
    for (uint32_t file = 0; file < model.plain()->files().size(); ++file) {
      inputs.push_back(model.plain()->handle(file).name());
    }
  }
  std::error_code ignored;
  for (const std::string& input : inputs) {
    if (!std::filesystem::equivalent(arguments.collect_path, input, ignored)) continue;
    return Error(ErrorCode::kInvalidArgument, text("the output ", quote(arguments.collect_path),
                                                   " is the input ", quote(input)));
  }
  return Ok{};
}

/// Where activations go; nothing when nobody asks for them. Opened before anything is computed, so
/// that a file in the way is no surprise at the end.
Result<std::optional<AtomicFile>> open_collection(const RunArguments& arguments,
                                                  const ModelFile& model) {
  std::optional<AtomicFile> file;
  if (arguments.collect_path.empty()) return file;
  QLOAD_CHECK(check_collection_path(arguments, model));
  QLOAD_TRY(file, AtomicFile::create(arguments.collect_path, {.overwrite = arguments.force}));
  return file;
}

/// A model without them would run as with floats, and somebody would believe the score.
Status check_activations(const RunArguments& arguments, const WeightPlan& plan) {
  if (arguments.activation_type == ActivationType::kFloat) return Ok{};
  const auto is_int8 = [](const MatrixRole* matrix) { return matrix->dtype == DType::kI8; };
  const bool any =
      is_int8(&plan.output) || std::ranges::any_of(plan.layers, [&](const LayerRoles& layer) {
        return std::ranges::any_of(layer.matrices(), is_int8);
      });
  if (any) return Ok{};
  return Error(ErrorCode::kInvalidArgument,
               text(quote(arguments.model), " has no INT8 weights: --activations int8 says nothing",
                    " to it"));
}

Status run_tokens(Transformer& transformer, const RunArguments& arguments, const ModelFile& model,
                  const ModelFacts& facts, const RunWork& work, RunReport& report) {
  if (arguments.score) return score_sequences(transformer, arguments, model, work, report);
  return generate_tokens(transformer, arguments, facts, work, report);
}

Result<RunReport> run_model(RunArguments& arguments) {
  QLOAD_TRY(const ModelFile model, ModelFile::open(arguments.model));
  QLOAD_TRY(const ModelFacts facts,
            read_model_facts(model, {arguments.config, arguments.tokenizer}));
  auto plan = plan_weights(model.tensors(), facts.config);
  if (!plan.ok()) return plan.error().at(quote(arguments.model));
  QLOAD_CHECK(check_activations(arguments, *plan));
  QLOAD_TRY(const RunWork work, plan_work(arguments, facts));
  QLOAD_TRY(std::optional<AtomicFile> collection, open_collection(arguments, model));

  TransformerOptions options{.position_count = work.position_count,
                             .activations = arguments.activation_type,
                             .all_logits = arguments.score};
  uint64_t computing_bytes = Transformer::memory_bytes(facts.config, *plan, options);
  if (facts.tokenizer) computing_bytes += facts.tokenizer->memory_bytes();
  std::optional<ActivationRecorder> recorder;
  if (collection) {
    const RecordingOptions recording{.sample_count = arguments.activation_sample_count,
                                     .token_count = work.token_count};
    options.recorder = &recorder.emplace(*plan, recording);
    computing_bytes += ActivationRecorder::memory_bytes(*plan, recording);
  }

  RunReport report;
  if (arguments.threads == 0) arguments.threads = std::max(1u, std::thread::hardware_concurrency());
  arguments.source.thread_count = arguments.threads;
  QLOAD_TRY(arguments.source.rates, read_rates(arguments.target));
  QLOAD_TRY(const auto source, open_source(model, *plan, computing_bytes, arguments, report));
  ThreadTeam team(arguments.threads);
  Transformer transformer(facts.config, *plan, *source, team, fastest_row_kernels(), options);
  QLOAD_CHECK(run_tokens(transformer, arguments, model, facts, work, report));
  if (collection) {
    QLOAD_CHECK(write_activations(*recorder, *collection));
    QLOAD_CHECK(collection->commit());
    report.collect_path = arguments.collect_path;
    report.recorded_token_count = recorder->token_count();
  }
  report.model = arguments.model;
  report.weights = arguments.weights;
  report.activations = arguments.activations;
  report.kernels = fastest_row_kernels().name;
  report.threads = arguments.threads;
  report.pass_count = transformer.pass_count();
  report.source = source->statistics();
  measure_process(report);
  return report;
}

int run(int argument_count, char** argument_values) {
  int exit_code = tools::kExitOk;
  auto arguments = parse_arguments(argument_count, argument_values, exit_code);
  if (!arguments) return exit_code;
  const tools::Interrupt interrupt;
  arguments->source.stop = interrupt.token();
  const auto report = run_model(*arguments);
  if (!report.ok()) {
    std::fprintf(stderr, "qrun: error: %s\n", std::string(report.error().message()).c_str());
    const int number = interrupt.signal_number();
    return number != 0 ? tools::kExitSignal + number : tools::exit_code(report.error().code());
  }
  if (arguments->json) {
    std::fputs(report_json(*report).render().c_str(), stdout);
  } else {
    if (report->score) std::fputs(score_text(*report->score).c_str(), stdout);
    std::fputs(report_text(*report).c_str(), stderr);
  }
  if (std::fflush(stdout) == 0) return tools::kExitOk;
  std::fputs("qrun: error: cannot write to stdout\n", stderr);
  return tools::kExitFailed;
}

}  // namespace
}  // namespace qload::qrun

int main(int argument_count, char** arguments) {
  try {
    return qload::qrun::run(argument_count, arguments);
  } catch (const std::bad_alloc&) {
    std::fputs("qrun: error: out of memory\n", stderr);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "qrun: error: %s\n", exception.what());
  }
  return qload::tools::kExitFailed;
}
