// qpack: packs models, and looks into what it packed. One subcommand per file in tools/commands.

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "format/chunk/chunk.h"
#include "qload/version.h"
#include "tools/commands/analyze_command.h"
#include "tools/commands/inspect_command.h"
#include "tools/commands/load_command.h"
#include "tools/commands/pack_command.h"
#include "tools/commands/plan_command.h"
#include "tools/commands/quantize_command.h"
#include "tools/commands/synth_command.h"
#include "tools/commands/unpack_command.h"
#include "tools/commands/verify_command.h"
#include "tools/logging.h"
#include "tools/report/exit_code.h"

namespace qload::tools {
namespace {

struct GlobalArguments {
  bool verbose = false;
  bool quiet = false;
  std::string progress = "auto";
};

void add_global_options(Command command, GlobalArguments& arguments) {
  command.flag("-v,--verbose", arguments.verbose, "Print details on stderr");
  command.flag("-q,--quiet", arguments.quiet, "No progress, no warnings");
  command.exclude("--quiet", "--verbose");
  command.choice("--progress", arguments.progress, {"auto", "always", "never"},
                 "Progress bar on stderr (default: when it is a terminal)");
}

ProgressMode progress_mode(const GlobalArguments& arguments) {
  if (arguments.quiet || arguments.progress == "never") return ProgressMode::kNever;
  return arguments.progress == "always" ? ProgressMode::kAlways : ProgressMode::kTerminal;
}

int run_tool(int argument_count, char** arguments) {
  Interrupt interrupt;
  Session session{.interrupt = interrupt};
  GlobalArguments global;
  CommandLine line("qpack", QLOAD_VERSION_STRING,
                   "Pack quantized models; load them faster than their bytes can be read.",
                   std::string("Examples:\n"
                               "  qpack pack model.safetensors\n"
                               "  qpack inspect model.safetensors.qpk\n"
                               "  qpack load model.safetensors.qpk --check model.safetensors\n\n") +
                       exit_code_help());
  add_global_options(line.all_commands(), global);
  add_plan_command(line, session);
  add_quantize_command(line, session);
  add_pack_command(line, session);
  add_unpack_command(line, session);
  add_inspect_command(line, session);
  add_analyze_command(line, session);
  add_verify_command(line, session);
  add_load_command(line, session);
  add_synth_command(line, session);
  const CommandLine::Parsed parsed = line.parse(argument_count, arguments);
  start_logging(global.quiet     ? Verbosity::kQuiet
                : global.verbose ? Verbosity::kVerbose
                                 : Verbosity::kNormal);
  if (!parsed.error.empty()) log_error(parsed.error);
  if (!parsed.run) return parsed.exit_code;
  if (const Status kernel = check_decode_kernel(); !kernel.ok()) {
    log_error(kernel.error().message());
    return kExitUsage;
  }
  session.progress = progress_mode(global);
  return parsed.run();
}

}  // namespace
}  // namespace qload::tools

int main(int argument_count, char** arguments) {
  // A file size limit is then an error of the write, with a message, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return qload::tools::run_tool(argument_count, arguments);
  } catch (const std::bad_alloc&) {
    std::fputs("qpack: error: out of memory\n", stderr);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "qpack: error: %s\n", exception.what());
  }
  return qload::tools::kExitFailed;
}
