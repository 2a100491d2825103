#include "tools/qrun/run_arguments.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "format/base/format_text.h"
#include "qload/version.h"
#include "tools/report/exit_code.h"
#include "tools/report/size_text.h"

namespace qload::qrun {
namespace {

const std::map<std::string, WeightMode> kModes = {{"whole", WeightMode::kWhole},
                                                  {"mmap", WeightMode::kMapped},
                                                  {"read", WeightMode::kRead},
                                                  {"stream", WeightMode::kStreamed},
                                                  {"packed", WeightMode::kPacked}};

const std::map<std::string, ActivationType> kActivations = {{"float", ActivationType::kFloat},
                                                            {"int8", ActivationType::kInt8}};

std::string to_bytes(std::string& value) {
  const auto bytes = tools::parse_size(value);
  if (!bytes) return text(quote(value), " is not a size such as 4096, 512K, 1M or 2G");
  value = std::to_string(*bytes);
  return {};
}

/// CLI11's own range takes what is no number.
CLI::Validator number_in(double minimum, double maximum) {
  CLI::Range range(minimum, maximum);
  return CLI::Validator(
      [range, minimum, maximum](std::string& given) -> std::string {
        char* end = nullptr;
        const double value = std::strtod(given.c_str(), &end);
        if (end != given.c_str() && *end == 0 && value >= minimum && value <= maximum) return "";
        return range(given).empty() ? "Value " + given + " is no number" : range(given);
      },
      range.get_description());
}

/// Options of one way to bring weights say nothing to another.
std::string misplaced_option(const CLI::App& app, const std::string& weights) {
  const std::pair<const char*, const char*> kOnly[] = {
      {"--budget", "stream"},       {"--keep-packed", "stream"}, {"--target", "stream"},
      {"--resident-bytes", "read"}, {"--buffered", "read"},
  };
  for (const auto& [option, mode] : kOnly) {
    if (app.count(option) > 0 && weights != mode) {
      return std::string(option) + " needs --weights " + mode + ", not " + weights;
    }
  }
  return "";
}

/// Scoring generates nothing, and wants tokens.
std::string misplaced_with_score(const CLI::App& app, const RunArguments& a) {
  if (!a.score) return "";
  const bool has_prompt = app.count("--prompt") + app.count("--tokens") > 0;
  if (has_prompt != a.score_file.empty()) {
    return has_prompt ? "--score takes a file, or --prompt or --tokens, not both"
                      : "--score needs a file, --prompt or --tokens";
  }
  for (const char* option :
       {"-n", "--ignore-end", "--temperature", "--top-k", "--top-p", "--seed"}) {
    if (app.count(option) > 0) return std::string(option) + " says nothing to --score";
  }
  return "";
}

std::string misplaced_with_activations(const CLI::App& app) {
  for (const char* option : {"--activation-samples", "--force"}) {
    if (app.count(option) > 0 && app.count("--collect-activations") == 0) {
      return std::string(option) + " needs --collect-activations";
    }
  }
  return "";
}

void add_prompt_options(CLI::App& app, RunArguments& a) {
  CLI::Option* prompt =
      app.add_option("--prompt", a.prompt, "Text to go on from; needs a vocabulary");
  CLI::Option* tokens = app.add_option("--tokens", a.tokens, "Tokens to go on from: 1,403,407")
                            ->delimiter(',')
                            ->allow_extra_args(false);
  prompt->excludes(tokens);
  app.add_option("-n", a.token_count, "Tokens to generate (default: 128)")
      ->check(CLI::Range(1u, 1u << 20));
  app.add_flag("--ignore-end", a.ignore_end, "Go on after an end token");
  app.add_option("--score", a.score_file,
                 "Instead: how well the model predicts given tokens, in nats per token; FILE has "
                 "a sequence a line, 1 403 407; without FILE those of --prompt or --tokens")
      ->expected(0, 1)
      ->type_name("FILE");
}

void add_activation_options(CLI::App& app, RunArguments& a) {
  app.add_option("--activations", a.activations,
                 "Inputs of INT8 linears: float (default), or int8, quantized token by token")
      ->check(CLI::IsMember(kActivations));
  app.add_option("--collect-activations", a.collect_path,
                 "Write the largest magnitudes of all linears' inputs to a safetensors file")
      ->type_name("OUT");
  app.add_option("--activation-samples", a.activation_sample_count,
                 "Write so many inputs of each linear, too, of tokens evenly spread")
      ->check(CLI::Range(1u, 1u << 20));
  app.add_flag("--force", a.force, "Replace OUT");
}

void add_sampler_options(CLI::App& app, RunArguments& a) {
  app.add_option("--temperature", a.sampler.temperature,
                 "0: the likeliest token (default); 1: by the model's shares")
      ->check(number_in(0.0, 100.0));
  app.add_option("--top-k", a.sampler.top_k, "Choose among the k likeliest (default: all)");
  app.add_option("--top-p", a.sampler.top_p,
                 "Choose among the likeliest that have this share together (default: 1)")
      ->check(number_in(1e-6, 1.0));
  app.add_option("--seed", a.sampler.seed, "Same seed, same tokens (default: 1)");
}

void add_weight_options(CLI::App& app, RunArguments& a) {
  app.add_option("--weights", a.weights,
                 "whole: load first (default); mmap: map plain files; read: read plain files "
                 "layer by layer, in every pass; stream: load layers of a container within "
                 "--budget, in every pass; packed: keep a container packed in memory")
      ->check(CLI::IsMember(kModes));
  app.add_option("--resident-bytes", a.source.resident_bytes,
                 "With read: weights that stay in memory (default: 0)")
      ->transform(CLI::Validator(to_bytes, "SIZE", "size"))
      ->type_name("");
  app.add_flag("--buffered", a.source.buffered, "With read: through the page cache");
  app.add_option("--budget", a.budget_bytes,
                 "With stream: memory of the process, the engine's included (default: what the "
                 "control group leaves)")
      ->transform(CLI::Validator(to_bytes, "SIZE", "size"))
      ->type_name("");
  app.add_flag("--keep-packed", a.source.keep_packed,
               "With stream: keep stored bytes in memory where that makes passes shorter");
  app.add_option("--target", a.target, "With stream: the device, a profile's name or file");
  app.add_option("--config", a.config, "config.json of a model that carries none");
  app.add_option("--tokenizer", a.tokenizer,
                 "tokenizer.json (default: the model's own vocabulary, or the one beside it)");
  app.add_option("--threads", a.threads, "Threads (default: one for each processor)")
      ->check(CLI::Range(0u, 1024u));
}

}  // namespace

std::optional<RunArguments> parse_arguments(int count, const char* const* arguments,
                                            int& exit_code) {
  RunArguments out;
  CLI::App app("Run a Llama model: a .qpk container, a GGUF or safetensors file, or a folder.",
               "qrun");
  app.set_version_flag("--version", "qrun " QLOAD_VERSION_STRING);
  app.footer(std::string("Example:\n"
                         "  qrun model.gguf.qpk --prompt \"Once upon a time\" -n 200\n"
                         "  qrun model.safetensors --score tokens.txt --activations int8\n\n") +
             tools::exit_code_help());
  app.add_option("model", out.model, "The model")->required();
  add_prompt_options(app, out);
  add_sampler_options(app, out);
  add_weight_options(app, out);
  add_activation_options(app, out);
  app.add_flag("--json", out.json, "Report as JSON");
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    // Help and version are errors of code 0, which CLI11 prints to stdout.
    if (error.get_exit_code() == 0) {
      exit_code = app.exit(error);
    } else {
      std::fprintf(stderr, "qrun: error: %s\n", error.what());
      exit_code = tools::kExitUsage;
    }
    return std::nullopt;
  }
  out.score = app.count("--score") > 0;
  for (const std::string& misplaced :
       {misplaced_option(app, out.weights), misplaced_with_score(app, out),
        misplaced_with_activations(app)}) {
    if (misplaced.empty()) continue;
    std::fprintf(stderr, "qrun: error: %s\n", misplaced.c_str());
    exit_code = tools::kExitUsage;
    return std::nullopt;
  }
  out.source.mode = kModes.at(out.weights);
  out.activation_type = kActivations.at(out.activations);
  return out;
}

}  // namespace qload::qrun
