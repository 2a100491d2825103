#include "tools/commands/synth_command.h"

#include <filesystem>
#include <memory>

#include "format/base/format_text.h"
#include "tools/report/json_report.h"
#include "tools/report/size_text.h"
#include "tools/report/text_table.h"
#include "tools/synth/synthesize.h"

namespace qload::tools {
namespace {

struct SynthArguments {
  std::string output;
  std::string model = "opt-1.3b";
  std::string scheme = "int8_tensor";
  uint32_t layers = 0;  // 0: as the architecture has.
  uint64_t bytes = 0;   // 0: whatever the layers give.
  bool json = false;
  synth::SynthOptions options;
};

double ratio_of(double bits) { return bits > 0 ? 8 / bits : 0; }

JsonReport entropy_json(const synth::KindEntropy& kind) {
  JsonReport json;
  json.set("kind", synth::weight_kind_name(kind.kind));
  json.set("encoding", encode::encoding_name(kind.encoding));
  json.set("tensor_count", kind.tensors);
  json.set("bytes", kind.bytes);
  json.set("byte_bits", kind.byte_bits);
  json.set("byte_bits_min", kind.byte_bits_min);
  json.set("byte_bits_max", kind.byte_bits_max);
  json.set("exponent_bits", kind.exponent_bits);
  return json;
}

std::string entropy_table(const synth::SynthReport& report) {
  TextTable table({"kind", "encoding", ">tensors", ">size", ">bits/byte", ">min", ">max",
                   ">ratio bound", ">exponent bits"});
  for (const synth::KindEntropy& kind : report.entropies) {
    table.add_row({std::string(synth::weight_kind_name(kind.kind)),
                   std::string(encode::encoding_name(kind.encoding)), std::to_string(kind.tensors),
                   format_size(kind.bytes), format_fixed(kind.byte_bits, 2),
                   format_fixed(kind.byte_bits_min, 2), format_fixed(kind.byte_bits_max, 2),
                   format_fixed(ratio_of(kind.byte_bits), 2),
                   kind.exponent_bits > 0 ? format_fixed(kind.exponent_bits, 2) : "-"});
  }
  return table.render();
}

int print_report(const SynthArguments& arguments, const synth::SynthReport& report) {
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.file_bytes) / report.seconds : 0;
  if (arguments.json) {
    JsonReport json;
    json.set("output", arguments.output);
    json.set("model", arguments.model);
    json.set("scheme", arguments.scheme);
    json.set("seed", arguments.options.seed);
    json.set("file_bytes", report.file_bytes);
    json.set("layers", report.layers);
    json.set("weight_count", report.tensor_count);
    json.set("threads", report.threads);
    json.set("seconds", report.seconds);
    std::vector<JsonReport> kinds;
    for (const auto& kind : report.entropies) kinds.push_back(entropy_json(kind));
    json.set_list("entropies", std::move(kinds));
    return print_result(json.render());
  }
  std::string out = text(printable(arguments.output), ": ", arguments.model, " ", arguments.scheme,
                         ", ", report.layers, " layers, ", report.tensor_count, " weights, ",
                         format_size(report.file_bytes), ", ", format_seconds(report.seconds), ", ",
                         format_rate(rate), "\n");
  if (!report.entropies.empty()) out += entropy_table(report);
  return print_result(out);
}

int run_synth(SynthArguments& arguments, const Session& session) {
  synth::SynthOptions& options = arguments.options;
  options.architecture = *synth::find_architecture(arguments.model);
  options.scheme = *encode::find_encoding(arguments.scheme);
  const std::string extension = std::filesystem::path(arguments.output).extension();
  if (extension != ".safetensors" && extension != ".gguf") {
    return fail_usage(
        text("the output ", quote(arguments.output), " ends neither in .safetensors nor in .gguf"));
  }
  if (const auto refused = refuse_existing(arguments.output, options.overwrite)) return *refused;
  options.gguf = extension == ".gguf";
  if (arguments.layers != 0) options.layers = arguments.layers;
  if (arguments.bytes != 0) options.bytes = arguments.bytes;
  const auto report = [&] {
    ProgressBar bar(session.progress, "synth");
    return synth::synthesize(
        arguments.output, options, [&](uint64_t done, uint64_t total) { bar.update(done, total); },
        session.interrupt.token());
  }();
  if (!report.ok()) return fail(session, report.error());
  return print_report(arguments, *report);
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const auto& architecture : synth::all_architectures()) names.emplace_back(architecture.name);
  return names;
}

}  // namespace

void add_synth_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<SynthArguments>();
  Command command = line.add_command(
      "synth", "Write a model that looks trained, for tests and benchmarks",
      help_footer("qpack synth -o opt.safetensors --model opt-1.3b --scheme int8_tensor --stats"),
      [arguments, &session] { return run_synth(*arguments, session); });
  SynthArguments& a = *arguments;
  command.required_text("-o,--output", a.output, "OUT.safetensors or OUT.gguf");
  command.choice("--model", a.model, architecture_names(), "Names and shapes (default: opt-1.3b)");
  command.choice("--scheme", a.scheme,
                 {"int8_tensor", "int8_channel", "bf16", "f16", "f32", "q8_0", "q4_0", "q4_k"},
                 "Element type of matrices (default: int8_tensor)");
  command.number("--seed", a.options.seed, {0, UINT64_MAX}, "Same seed, same bytes (default: 1)");
  command.number("--layers", a.layers, {1, 4096}, "Number of layers");
  command.size("--size", a.bytes, "Choose the number of layers that comes nearest to this size");
  command.exclude("--size", "--layers");
  command.number("--threads", a.options.threads, {0, 1024},
                 "Threads (default: one for each processor)");
  command.flag("--stats", a.options.measure, "Measure and print entropies by kind of weight");
  command.flag("-f,--force", a.options.overwrite, "Replace an existing file");
  command.flag("--json", a.json, "Report as JSON");
}

}  // namespace qload::tools
