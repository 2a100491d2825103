#include "tools/commands/verify_command.h"

#include <memory>

#include "format/base/format_text.h"
#include "format/container/container_reader.h"
#include "format/pack/restore.h"
#include "tools/report/json_report.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

struct VerifyArguments {
  std::string input;
  std::string digest;
  bool json = false;
  RestoreOptions options;
};

/// Succeeds or not, as JSON for scripts; the exit code says the same.
int print_json_failure(const VerifyArguments& arguments, const Session& session,
                       const Error& error) {
  const int code = fail(session, error);
  JsonReport json;
  json.set("input", arguments.input);
  json.set("ok", false);
  json.set("error", error_code_name(error.code()));
  json.set("message", error.message());
  print_result(json.render());
  return code;
}

int run_verify(const VerifyArguments& arguments, const Session& session) {
  auto give_up = [&](const Error& error) {
    return arguments.json ? print_json_failure(arguments, session, error) : fail(session, error);
  };
  std::optional<Digest> demanded;
  if (!arguments.digest.empty()) {
    demanded = parse_digest(arguments.digest);
    if (!demanded) return fail_usage("--digest takes 32 hexadecimal digits, as inspect prints");
  }
  auto file = File::open(arguments.input);
  if (!file.ok()) return give_up(file.error());
  const auto container = read_container(std::move(*file));
  if (!container.ok()) return give_up(container.error());
  const Digest digest = to_digest(container->superblock.model_digest);
  if (demanded && *demanded != digest) {
    return give_up(Error(ErrorCode::kUntrusted,
                         text(quote(arguments.input), ": the model's digest is ",
                              format_digest(digest), ", demanded is ", format_digest(*demanded))));
  }
  const auto report = [&] {
    ProgressBar bar(session.progress, "verify");
    return verify_container(*container, arguments.options, draw_on(bar), session.interrupt.token());
  }();
  if (!report.ok()) return give_up(report.error());
  if (arguments.json) {
    JsonReport json;
    json.set("input", arguments.input);
    json.set("ok", true);
    json.set("decoded_bytes", report->decoded_bytes);
    json.set("chunk_count", report->chunk_count);
    json.set("file_count", report->file_count);
    json.set("seconds", report->seconds);
    json.set("digest", format_digest(digest));
    return print_result(json.render());
  }
  return print_result(text(printable(arguments.input), ": ok, ", report->chunk_count, " chunks, ",
                           format_size(report->decoded_bytes), " decoded, ",
                           format_seconds(report->seconds), "\ndigest ", format_digest(digest),
                           "\n"));
}

}  // namespace

void add_verify_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<VerifyArguments>();
  Command command = line.add_command(
      "verify", "Check every checksum and digest", help_footer("qpack verify model.qpk"),
      [arguments, &session] { return run_verify(*arguments, session); });
  VerifyArguments& a = *arguments;
  command.positional("input", a.input, "Container");
  command.text("--digest", a.digest, "Fail (6) unless the model has this digest");
  command.number("--threads", a.options.threads, {0, 1024},
                 "Threads (default: one for each processor)");
  command.flag("--json", a.json, "Report as JSON");
}

}  // namespace qload::tools
