// qrun: runs a Llama model on weights that qload loads. docs/integration.md walks through it.

#include <cstdio>
#include <exception>
#include <new>
#include <thread>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/profile/device_profile.h"
#include "tools/qrun/generate.h"
#include "tools/qrun/memory_share.h"
#include "tools/qrun/model_facts.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/run_arguments.h"
#include "tools/qrun/run_report.h"
#include "tools/qrun/transformer.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"
#include "tools/report/exit_code.h"
#include "tools/report/interrupt.h"

namespace qload::qrun {
namespace {

Result<std::vector<uint32_t>> make_prompt(const RunArguments& arguments, const ModelFacts& facts) {
  if (!arguments.tokens.empty()) return arguments.tokens;
  if (facts.tokenizer) return facts.tokenizer->encode(arguments.prompt.value_or(""));
  if (arguments.prompt) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(arguments.model), " has no vocabulary; --tokens takes numbers"));
  }
  return std::vector<uint32_t>{facts.config.begin_token.value_or(0)};
}

/// The tokens that the model will see: the last one generated is not run. kInvalidArgument when
/// they are more than it was trained for.
Result<uint32_t> count_positions(const GenerationOptions& options, const ModelConfig& config) {
  const uint64_t count = options.prompt.size() + options.token_count_max - 1;
  if (count <= config.context_length) return static_cast<uint32_t>(count);
  return Error(ErrorCode::kInvalidArgument,
               text(options.prompt.size(), " prompt tokens and ", options.token_count_max,
                    " to generate do not fit the model's context of ", config.context_length));
}

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

/// Divides the budget of streamed weights.
Status choose_memory(const RunArguments& arguments, uint64_t transformer_bytes,
                     WeightOptions& options, RunReport& report) {
  if (options.mode != WeightMode::kStreamed) return Ok{};
  QLOAD_TRY(const MemoryShare share,
            share_memory(arguments.budget_bytes, transformer_bytes, options.thread_count));
  options.budget_bytes = share.weight_bytes;
  report.engine_bytes = share.engine_bytes;
  return Ok{};
}

Result<RunReport> run_model(RunArguments& arguments, std::stop_token stop) {
  QLOAD_TRY(const ModelFile model, ModelFile::open(arguments.model));
  QLOAD_TRY(const ModelFacts facts, read_model_facts(model, arguments.config));
  auto plan = plan_weights(model.tensors(), facts.config);
  if (!plan.ok()) return plan.error().at(quote(arguments.model));

  if (arguments.threads == 0) arguments.threads = std::max(1u, std::thread::hardware_concurrency());
  GenerationOptions options;
  QLOAD_TRY(options.prompt, make_prompt(arguments, facts));
  options.token_count_max = arguments.token_count;
  if (!arguments.ignore_end) options.end_tokens = facts.config.end_tokens;
  options.sampler = arguments.sampler;
  options.stop = stop;
  TransformerOptions transformer_options;
  QLOAD_TRY(transformer_options.position_count, count_positions(options, facts.config));

  RunReport report;
  arguments.source.thread_count = arguments.threads;
  arguments.source.stop = std::move(stop);
  QLOAD_TRY(arguments.source.rates, read_rates(arguments.target));
  QLOAD_CHECK(choose_memory(arguments,
                            Transformer::memory_bytes(facts.config, *plan, transformer_options),
                            arguments.source, report));
  auto source = open_weights(model, *plan, arguments.source);
  if (!source.ok()) {
    if (source.error().code() != ErrorCode::kBudgetTooSmall) return source.error();
    // What would do is the weights' share.
    return source.error().at(text("the engine itself takes ", report.engine_bytes,
                                  " bytes of the budget, staging a sixteenth of the rest"));
  }
  ThreadTeam team(arguments.threads);
  Transformer transformer(facts.config, *plan, **source, team, fastest_row_kernels(),
                          transformer_options);

  const Tokenizer* tokenizer = facts.tokenizer ? &*facts.tokenizer : nullptr;
  TokenPrinter printer(tokenizer);
  if (!arguments.json) options.on_token = [&](uint32_t token) { printer.print(token); };
  QLOAD_TRY(report.generation, generate(transformer, options));
  if (!arguments.json) printer.finish();
  if (tokenizer != nullptr) report.text = tokenizer->decode(report.generation.tokens);
  report.model = arguments.model;
  report.weights = arguments.weights;
  report.kernels = fastest_row_kernels().name;
  report.threads = arguments.threads;
  report.prompt_token_count = options.prompt.size();
  report.pass_count = transformer.pass_count();
  report.source = (*source)->statistics();
  measure_process(report);
  return report;
}

int run(int argument_count, char** argument_values) {
  int exit_code = tools::kExitOk;
  auto arguments = parse_arguments(argument_count, argument_values, exit_code);
  if (!arguments) return exit_code;
  const tools::Interrupt interrupt;
  const auto report = run_model(*arguments, interrupt.token());
  if (!report.ok()) {
    std::fprintf(stderr, "qrun: error: %s\n", std::string(report.error().message()).c_str());
    const int number = interrupt.signal_number();
    return number != 0 ? tools::kExitSignal + number : tools::exit_code(report.error().code());
  }
  if (arguments->json) {
    std::fputs(report_json(*report).render().c_str(), stdout);
  } else {
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
