#include "tools/commands/quantize_command.h"

#include <filesystem>
#include <memory>

#include "format/base/format_text.h"
#include "format/input/model_source.h"
#include "tools/commands/quantize_report.h"
#include "tools/logging.h"
#include "tools/quantize/quantize.h"

namespace qload::tools {
namespace {

namespace fs = std::filesystem;
using quantize::Scheme;

// Outside the range of the option: not given.
constexpr double kNotGiven = -1;

struct QuantizeArguments {
  std::string input;
  std::string output;
  std::string scheme;
  std::string axis;
  std::string embeddings = "quantize";
  std::string activations;
  std::string config;
  double alpha = kNotGiven;
  double threshold = kNotGiven;
  bool no_fold = false;
  bool json = false;
  quantize::QuantizeOptions options;
};

std::vector<std::string> scheme_names() {
  std::vector<std::string> names;
  for (const quantize::SchemeName& scheme : quantize::all_schemes()) {
    names.emplace_back(scheme.name);
  }
  return names;
}

/// The first option that says nothing to the scheme, or one that the scheme lacks; else nothing.
std::optional<std::string> find_misplaced(const QuantizeArguments& a, Scheme scheme) {
  struct Given {
    const char* option;
    bool given;
    bool suits;
  };
  const bool smooth = scheme == Scheme::kSmoothQuant;
  for (const Given& option :
       {Given{"--axis", !a.axis.empty(), scheme == Scheme::kChannel},
        Given{"--alpha", a.alpha != kNotGiven, smooth}, Given{"--no-fold", a.no_fold, smooth},
        Given{"--config", !a.config.empty(), smooth || quantize::writes_gguf(scheme)},
        Given{"--threshold", a.threshold != kNotGiven, scheme == Scheme::kLlmInt8},
        Given{"--activations", !a.activations.empty(), quantize::needs_activations(scheme)}}) {
    if (option.given && !option.suits) {
      return text(option.option, " says nothing to --scheme ", a.scheme);
    }
  }
  if (quantize::needs_activations(scheme) && a.activations.empty()) {
    return text("--scheme ", a.scheme,
                " needs --activations FILE, the largest absolute inputs of each linear");
  }
  return std::nullopt;
}

std::optional<std::string> find_wrong_name(const QuantizeArguments& a, Scheme scheme) {
  const std::string extension = fs::path(a.output).extension();
  const char* expected = quantize::writes_gguf(scheme) ? ".gguf" : ".safetensors";
  if (extension == expected) return std::nullopt;
  return text("the output ", quote(a.output), " does not end in ", expected, ", which --scheme ",
              a.scheme, " writes");
}

void complete_options(QuantizeArguments& a, Scheme scheme) {
  quantize::QuantizeOptions& options = a.options;
  options.scheme = scheme;
  if (a.axis == "column") options.axis = quantize::ChannelAxis::kColumn;
  if (a.alpha != kNotGiven) options.alpha = a.alpha;
  if (a.threshold != kNotGiven) options.threshold = a.threshold;
  options.activations = a.activations;
  options.config = a.config;
  options.fold = !a.no_fold;
  options.quantize_embeddings = a.embeddings == "quantize";
}

int run_quantize(QuantizeArguments& arguments, const Session& session) {
  const Scheme scheme = *quantize::find_scheme(arguments.scheme);
  if (const auto misplaced = find_misplaced(arguments, scheme)) return fail_usage(*misplaced);
  if (const auto wrong = find_wrong_name(arguments, scheme)) return fail_usage(*wrong);
  complete_options(arguments, scheme);
  const quantize::QuantizeOptions& options = arguments.options;
  if (const auto refused = refuse_existing(arguments.output, options.overwrite)) return *refused;
  const auto source = open_model_source(arguments.input, OpenAs::kDetect);
  if (!source.ok()) return fail(session, source.error());
  for (const std::string& name : source->left_out()) {
    log_warning(text(quote(name), " is not part of the model and is left out"));
  }
  const auto report = [&] {
    ProgressBar bar(session.progress, "quantize");
    return quantize::quantize_model(*source, arguments.input, arguments.output, options,
                                    draw_on(bar), session.interrupt.token());
  }();
  if (!report.ok()) return fail(session, report.error());
  const QuantizeSubject subject = {arguments.input, arguments.output, options};
  return print_result(arguments.json ? render_quantize_json(subject, *report)
                                     : render_quantize_text(subject, *report));
}

}  // namespace

void add_quantize_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<QuantizeArguments>();
  Command command = line.add_command(
      "quantize", "Quantize a model of floats: INT8 as papers do, or ggml's blocks",
      help_footer("qpack quantize model.safetensors -o int8.safetensors --scheme channel --stats"),
      [arguments, &session] { return run_quantize(*arguments, session); });
  QuantizeArguments& a = *arguments;
  command.positional("input", a.input,
                     "Model of F32, F16 or BF16: a safetensors file, a directory of shards or its "
                     "index; for q8_0 and q4_0 also GGUF");
  command.required_text("-o,--output", a.output, "OUT.safetensors; OUT.gguf for q8_0 and q4_0");
  command.required_choice("--scheme", a.scheme, scheme_names(),
                          "What to write: INT8 with one scale a matrix (tensor) or a row or column "
                          "(channel), SmoothQuant, LLM.int8(), or ggml's blocks");
  command.choice("--axis", a.axis, {"row", "column"},
                 "What has one scale under channel (default: row)");
  command.text("--activations", a.activations,
               "Largest absolute inputs of each linear, which smoothquant and llm_int8 need: a "
               "safetensors file with a vector for each, as qrun --collect-activations writes");
  command.number("--alpha", a.alpha, {0.0, 1.0},
                 "How much of the inputs' range smoothquant moves to the weights (default: 0.5)");
  command.flag("--no-fold", a.no_fold,
               "Store smoothing factors, even where norms and linears before could take them");
  command.text("--config", a.config,
               "The model's config.json (default: in its metadata, or beside it)");
  command.number("--threshold", a.threshold, {0.0, 1e30},
                 "Inputs above this make an outlier channel of llm_int8 (default: 6)");
  command.choice("--embeddings", a.embeddings, {"quantize", "keep"},
                 "Token and position tables, and the output head (default: quantize)");
  command.number("--threads", a.options.threads, {0, 1024},
                 "Threads (default: one for each processor)");
  command.flag("--stats", a.options.measure,
               "Measure and print spread, errors and entropies of each tensor");
  command.flag("-f,--force", a.options.overwrite, "Replace an existing file");
  command.flag("--json", a.json, "Report as JSON");
}

}  // namespace qload::tools
