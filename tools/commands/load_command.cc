#include "tools/commands/load_command.h"

#include <map>
#include <memory>
#include <optional>

#include "format/base/format_text.h"
#include "format/input/model_source.h"
#include "qload/loader.h"
#include "qload/model.h"
#include "tools/report/json_report.h"
#include "tools/report/load_report.h"
#include "tools/report/size_text.h"
#include "tools/report/source_check.h"

namespace qload::tools {
namespace {

const std::map<std::string, IoBackend> kBackends = {
    {"auto", IoBackend::kAuto}, {"uring", IoBackend::kUring}, {"pread", IoBackend::kPread}};
const std::map<std::string, DirectIo> kDirectModes = {{"optional", DirectIo::kOptional},
                                                      {"required", DirectIo::kRequired},
                                                      {"off", DirectIo::kDisabled}};
const std::map<std::string, Verify> kVerifyModes = {
    {"chunks", Verify::kChunks}, {"index", Verify::kIndexOnly}, {"decoded", Verify::kDecoded}};
const std::map<std::string, Pinning> kPinningModes = {
    {"auto", Pinning::kAuto}, {"never", Pinning::kNever}, {"required", Pinning::kRequired}};
const std::map<std::string, PageCache> kPageCacheModes = {{"auto", PageCache::kAuto},
                                                          {"keep", PageCache::kKeep},
                                                          {"drop", PageCache::kDrop},
                                                          {"bypass", PageCache::kBypass}};
const std::map<std::string, HugePages> kHugePageModes = {
    {"auto", HugePages::kAuto}, {"never", HugePages::kNever}, {"always", HugePages::kAlways}};

constexpr std::string_view kAnyProcessor = "any";

struct LoadArguments {
  std::string input;
  std::string check;
  std::string digest;
  std::string io = "auto";
  std::string direct = "optional";
  std::string verify = "chunks";
  std::string pin = "auto";
  std::string huge_pages = "auto";
  std::string page_cache = "auto";
  std::vector<std::string> tensors;
  uint64_t read_bytes = LoaderOptions{}.read_bytes;
  std::optional<int> nice;
  std::string processors{kAnyProcessor};
  uint32_t repeat = 1;
  bool json = false;
  LoaderOptions loader;
};

/// What one run of the command found.
struct LoadOutcome {
  std::vector<LoadStatistics> loads;
  uint64_t tensor_count = 0;
  bool checked = false;
};

Result<Weights> load_tensors(const LoadArguments& arguments, Loader& loader, const Model& model,
                             const LoadOptions& options) {
  if (arguments.tensors.empty()) return loader.load(model, options);
  const std::vector<std::string_view> names(arguments.tensors.begin(), arguments.tensors.end());
  return loader.load(model, names, options);
}

/// Loads once; the weights are compared with the source when there is one, then released.
Status load_once(const LoadArguments& arguments, const Session& session, Loader& loader,
                 const Model& model, const ModelSource* source, LoadOutcome& outcome) {
  LoadStatistics statistics;
  ProgressBar bar(session.progress, "load");
  LoadOptions options;
  options.verify = kVerifyModes.at(arguments.verify);
  options.pinning = kPinningModes.at(arguments.pin);
  options.huge_pages = kHugePageModes.at(arguments.huge_pages);
  options.page_cache = kPageCacheModes.at(arguments.page_cache);
  options.stop = session.interrupt.token();
  options.statistics = &statistics;
  options.on_progress = [&bar](const Progress& progress) {
    bar.update(progress.bytes_decoded, progress.bytes_total);
  };
  const auto weights = load_tensors(arguments, loader, model, options);
  if (!weights.ok()) return weights.error();
  outcome.loads.push_back(statistics);
  outcome.tensor_count = weights->tensors().size();
  if (source != nullptr) {
    const Status same =
        check_against_source(weights->tensors(), *source, arguments.tensors.empty());
    if (!same.ok()) return same.error().at(arguments.check);
    outcome.checked = true;
  }
  return Ok{};
}

int print_outcome(const LoadArguments& arguments, const Model& model, const LoadOutcome& outcome) {
  if (arguments.json) {
    JsonReport json;
    json.set("input", arguments.input);
    json.set("tensor_count", outcome.tensor_count);
    json.set("layer_count", model.layer_count());
    json.set("decoded_bytes", model.decoded_bytes());
    json.set("stored_bytes", model.stored_bytes());
    json.set("digest", format_digest(model.digest()));
    json.set("checked", outcome.checked);
    std::vector<JsonReport> loads;
    for (const LoadStatistics& load : outcome.loads) loads.push_back(statistics_json(load));
    json.set_list("loads", std::move(loads));
    return print_result(json.render());
  }
  std::string out = text(printable(arguments.input), ": ", outcome.tensor_count, " tensors, ",
                         model.layer_count(), " layers, ", format_size(model.decoded_bytes()),
                         " in ", format_size(model.stored_bytes()), ", ratio ",
                         format_ratio(model.decoded_bytes(), model.stored_bytes()), "\n");
  for (size_t i = 0; i < outcome.loads.size(); ++i) {
    if (outcome.loads.size() > 1) out += text("load ", i + 1, "\n");
    out += statistics_text(outcome.loads[i]);
  }
  if (outcome.checked) out += text("every loaded byte equals ", quote(arguments.check), "\n");
  return print_result(out);
}

/// `arguments.read_bytes` has been checked.
Result<Loader> create_loader(const LoadArguments& arguments,
                             const std::vector<uint32_t>& processors) {
  LoaderOptions options = arguments.loader;
  options.io_backend = kBackends.at(arguments.io);
  options.direct_io = kDirectModes.at(arguments.direct);
  options.read_bytes = static_cast<uint32_t>(arguments.read_bytes);
  options.thread_nice = arguments.nice.value_or(0);
  options.processors = processors;
  return Loader::create(options);
}

/// A refusal names the library's options; this adds the command's.
int fail_load(const Session& session, const Error& error) {
  if (error.code() != ErrorCode::kBudgetTooSmall) return fail(session, error);
  return fail(session, Error(error.code(),
                             text(error.message(),
                                  "; the options are --memory, --staging and --ignore-cgroup")));
}

int run_load(const LoadArguments& arguments, const Session& session) {
  ModelOptions model_options;
  if (!arguments.digest.empty()) {
    const auto digest = parse_digest(arguments.digest);
    if (!digest) return fail_usage("--digest takes 32 hexadecimal digits, as inspect prints");
    model_options.expected_digest = *digest;
  }
  if (arguments.read_bytes > UINT32_MAX) return fail_usage("--read-size is at most 16M");
  std::optional<std::vector<uint32_t>> processors{std::in_place};
  if (arguments.processors != kAnyProcessor) processors = parse_number_list(arguments.processors);
  if (!processors) return fail_usage("--processors takes a list such as 0-3,8");

  const auto model = Model::open(arguments.input, model_options);
  if (!model.ok()) return fail(session, model.error());
  auto loader = create_loader(arguments, *processors);
  if (!loader.ok()) return fail_load(session, loader.error());
  std::optional<ModelSource> source;
  if (!arguments.check.empty()) {
    auto opened = open_model_source(arguments.check, OpenAs::kDetect);
    if (!opened.ok()) return fail(session, opened.error());
    source = std::move(*opened);
  }
  LoadOutcome outcome;
  for (uint32_t i = 0; i < arguments.repeat; ++i) {
    const Status status =
        load_once(arguments, session, *loader, *model, source ? &*source : nullptr, outcome);
    if (!status.ok()) return fail_load(session, status.error());
  }
  return print_outcome(arguments, *model, outcome);
}

template <class T>
std::vector<std::string> names_of(const std::map<std::string, T>& values) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) names.push_back(name);
  return names;
}

}  // namespace

void add_load_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<LoadArguments>();
  Command command = line.add_command(
      "load", "Load a container and report what the load did",
      help_footer("qpack load model.qpk --check model.safetensors --io uring --repeat 3"),
      [arguments, &session] { return run_load(*arguments, session); });
  LoadArguments& a = *arguments;
  command.positional("input", a.input, "Container");
  command.text_list("--tensor", a.tensors, "Load only this tensor (may be repeated)");
  command.text("--check", a.check, "Compare every loaded byte with this model file");
  command.text("--digest", a.digest, "Fail (6) unless the model has this digest");
  command.number("--repeat", a.repeat, {1, 1000000}, "Loads, one after the other (default: 1)");
  command.number("--threads", a.loader.decode_threads, {0, 1024},
                 "Decode threads (default: one for each processor, within the CPU quota)");
  command.text("--processors", a.processors, "Where threads may run, such as 0-3,8 (default: any)");
  command.number("--nice", a.nice, {-20, 19}, "Added to decode threads' niceness (default: 0)");
  command.choice("--io", a.io, names_of(kBackends), "Read engine (default: auto)");
  command.choice("--direct", a.direct, names_of(kDirectModes), "O_DIRECT (default: optional)");
  command.number("--queue-depth", a.loader.queue_depth, {1, 4096}, "Reads in flight (default: 32)");
  command.size("--staging", a.loader.staging_bytes, "Staging memory, 1M to 1G (default: 32M)");
  command.size("--memory", a.loader.memory_bytes_max,
               "Staging and tensors together; 0: no limit but the control group's (default: 0)");
  command.flag("--ignore-cgroup", a.loader.ignore_cgroup,
               "Let the control group's memory limit and CPU quota be");
  command.size("--read-size", a.read_bytes, "Largest read, 64K to 16M (default: 1M)");
  command.choice("--page-cache", a.page_cache, names_of(kPageCacheModes),
                 "Leave the file there, drop it afterwards, or read around it (default: auto)");
  command.choice("--verify", a.verify, names_of(kVerifyModes), "What to check (default: chunks)");
  command.choice("--pin", a.pin, names_of(kPinningModes),
                 "Lock destinations in memory (default: auto)");
  command.choice("--huge-pages", a.huge_pages, names_of(kHugePageModes),
                 "Huge pages for destinations (default: auto)");
  command.flag("--json", a.json, "Report as JSON");
}

}  // namespace qload::tools
