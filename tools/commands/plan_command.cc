#include "tools/commands/plan_command.h"

#include <memory>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "tools/logging.h"
#include "tools/plan/load_plan_report.h"
#include "tools/profile/profile_json.h"

namespace qload::tools {
namespace {

struct PlanArguments {
  std::string input;
  std::string target{kDefaultProfile};
  std::string show_target;
  uint32_t threads = 0;
  bool json = false;
};

int show_target(const std::string& name, const Session& session) {
  const auto profile = find_profile(name);
  if (!profile.ok()) return fail(session, profile.error());
  return print_result(profile_json(*profile).render());
}

Result<LoadPlan> plan_model(const PlanArguments& arguments, const DeviceProfile& target,
                            const Session& session) {
  // A directory of shards cannot be opened as a file; what is no container is a source.
  if (auto file = File::open(arguments.input); file.ok() && is_container(*file)) {
    QLOAD_TRY(const Container container, read_container(std::move(file).value()));
    return plan_container(container, target);
  }
  QLOAD_TRY(const ModelSource source, open_model_source(arguments.input, OpenAs::kDetect));
  for (const std::string& name : source.left_out()) {
    log_warning(text(quote(name), " is not part of the model and is left out"));
  }
  ProgressBar bar(session.progress, "plan");
  const LoadPlanOptions options{
      .threads = arguments.threads,
      .on_progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); }};
  return plan_source(source, target, options, session.interrupt.token());
}

int run_plan(const PlanArguments& arguments, const Session& session) {
  if (!arguments.show_target.empty()) return show_target(arguments.show_target, session);
  if (arguments.input.empty()) return fail_usage("input is required (or --show-target NAME)");
  const auto target = find_profile(arguments.target);
  if (!target.ok()) return fail(session, target.error());
  const auto plan = plan_model(arguments, *target, session);
  if (!plan.ok()) return fail(session, plan.error());
  return print_result(arguments.json ? load_plan_json(arguments.input, *plan).render()
                                     : load_plan_text(arguments.input, *plan));
}

}  // namespace

void add_plan_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<PlanArguments>();
  Command command =
      line.add_command("plan", "Predict sizes and load times, and whether packing is worth it",
                       help_footer("qpack plan model.safetensors --target emmc"),
                       [arguments, &session] { return run_plan(*arguments, session); });
  PlanArguments& a = *arguments;
  command.optional_positional("input", a.input, "Model file, directory of shards, or a container");
  command.text("--target", a.target,
               "Device: a profile's file or mid, sd, emmc, ufs31, nvme3, nvme4 (default: mid)");
  command.number("--threads", a.threads, {0, 1024},
                 "Threads of this machine (default: one for each processor)");
  command.text("--show-target", a.show_target, "Print that device's profile as JSON, and end");
  command.flag("--json", a.json, "Report as JSON");
}

}  // namespace qload::tools
