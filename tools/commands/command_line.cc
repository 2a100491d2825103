#include "tools/commands/command_line.h"

#include <CLI/CLI.hpp>

#include "format/base/format_text.h"
#include "tools/report/exit_code.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

template <class Target, class T>
void add_number(CLI::App* app, const std::string& names, Target& target, Bounds<T> bounds,
                const std::string& help) {
  app->add_option(names, target, help)->check(CLI::Range(bounds.min, bounds.max));
}

}  // namespace

void Command::positional(const std::string& name, std::string& target, const std::string& help) {
  app_->add_option(name, target, help)->required();
}

void Command::optional_positional(const std::string& name, std::string& target,
                                  const std::string& help) {
  app_->add_option(name, target, help);
}

void Command::text(const std::string& names, std::string& target, const std::string& help) {
  app_->add_option(names, target, help);
}

void Command::required_text(const std::string& names, std::string& target,
                            const std::string& help) {
  app_->add_option(names, target, help)->required();
}

void Command::text_list(const std::string& names, std::vector<std::string>& target,
                        const std::string& help) {
  // One value each time, so that what follows is not swallowed.
  app_->add_option(names, target, help)->allow_extra_args(false);
}

void Command::choice(const std::string& names, std::string& target,
                     const std::vector<std::string>& choices, const std::string& help) {
  app_->add_option(names, target, help)->check(CLI::IsMember(choices));
}

void Command::required_choice(const std::string& names, std::string& target,
                              const std::vector<std::string>& choices, const std::string& help) {
  app_->add_option(names, target, help)->required()->check(CLI::IsMember(choices));
}

void Command::number(const std::string& names, uint32_t& target, Bounds<uint32_t> bounds,
                     const std::string& help) {
  add_number(app_, names, target, bounds, help);
}

void Command::number(const std::string& names, uint64_t& target, Bounds<uint64_t> bounds,
                     const std::string& help) {
  add_number(app_, names, target, bounds, help);
}

void Command::number(const std::string& names, std::optional<int>& target, Bounds<int> bounds,
                     const std::string& help) {
  add_number(app_, names, target, bounds, help);
}

void Command::number(const std::string& names, double& target, Bounds<double> bounds,
                     const std::string& help) {
  add_number(app_, names, target, bounds, help);
}

void Command::size(const std::string& names, uint64_t& target, const std::string& help) {
  const CLI::Validator to_bytes(
      [](std::string& value) -> std::string {
        const auto bytes = parse_size(value);
        if (!bytes) {
          return qload::text(quote(value), " is not a size such as 4096, 512K, 1M or 2G");
        }
        value = std::to_string(*bytes);
        return {};
      },
      "SIZE", "size");
  // CLI11 shows the type of a number; the validator's name tells more.
  app_->add_option(names, target, help)->transform(to_bytes)->type_name("");
}

void Command::flag(const std::string& names, bool& target, const std::string& help) {
  app_->add_flag(names, target, help);
}

void Command::exclude(const std::string& one, const std::string& other) {
  app_->get_option(one)->excludes(app_->get_option(other));
}

CommandLine::CommandLine(const std::string& name, const std::string& version,
                         const std::string& description, const std::string& footer)
    : app_(std::make_unique<CLI::App>(description, name)) {
  app_->set_version_flag("--version", name + " " + version);
  app_->footer(footer);
  app_->require_subcommand(1);
}

CommandLine::~CommandLine() = default;

Command CommandLine::all_commands() { return Command(app_.get()); }

Command CommandLine::add_command(const std::string& name, const std::string& description,
                                 const std::string& footer, std::function<int()> run) {
  CLI::App* command = app_->add_subcommand(name, description);
  command->fallthrough();
  command->footer(footer);
  command->callback([this, run = std::move(run)] { run_ = run; });
  return Command(command);
}

CommandLine::Parsed CommandLine::parse(int argument_count, const char* const* arguments) {
  Parsed parsed;
  try {
    app_->parse(argument_count, arguments);
    parsed.run = run_;
  } catch (const CLI::ParseError& error) {
    // Help and version are errors of code 0, which CLI11 prints to stdout.
    if (error.get_exit_code() == 0) {
      parsed.exit_code = app_->exit(error);
    } else {
      parsed.exit_code = kExitUsage;
      // CLI11 says only that a command is missing when the first word is not one.
      const std::vector<std::string> words = app_->remaining();
      const bool no_command = app_->get_subcommands().empty() && !words.empty();
      parsed.error = no_command ? text("unknown command ", quote(words[0])) : error.what();
    }
  }
  return parsed;
}

}  // namespace qload::tools
