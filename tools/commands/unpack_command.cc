#include "tools/commands/unpack_command.h"

#include <memory>

#include "format/base/format_text.h"
#include "format/container/container_reader.h"
#include "format/pack/restore.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

struct UnpackArguments {
  std::string input;
  std::string output;
  RestoreOptions options;
};

int run_unpack(const UnpackArguments& arguments, const Session& session) {
  auto file = File::open(arguments.input);
  if (!file.ok()) return fail(session, file.error());
  const auto container = read_container(std::move(*file));
  if (!container.ok()) return fail(session, container.error());
  const auto report = [&] {
    ProgressBar bar(session.progress, "unpack");
    return unpack_container(*container, arguments.output, arguments.options, draw_on(bar),
                            session.interrupt.token());
  }();
  if (!report.ok()) return fail(session, report.error());
  return print_result(text(printable(arguments.output), ": ", format_size(report->decoded_bytes),
                           " in ", report->file_count, report->file_count == 1 ? " file" : " files",
                           ", ", format_seconds(report->seconds), "\n"));
}

}  // namespace

void add_unpack_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<UnpackArguments>();
  Command command =
      line.add_command("unpack", "Restore the packed files, byte for byte",
                       help_footer("qpack unpack model.qpk -o model.safetensors"),
                       [arguments, &session] { return run_unpack(*arguments, session); });
  UnpackArguments& a = *arguments;
  command.positional("input", a.input, "Container");
  command.required_text("-o,--output", a.output, "File, or directory for a model of several files");
  command.number("--threads", a.options.threads, {0, 1024},
                 "Threads (default: one for each processor)");
  command.flag("-f,--force", a.options.overwrite, "Replace existing files");
}

}  // namespace qload::tools
