// The command line: options as references to fill. The only file that knows CLI11 is
// command_line.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace qload::tools {

/// Bounds of a number, both included.
template <class T>
struct Bounds {
  T min;
  T max;
};

/// One command's arguments. Each call declares one; its target keeps its value unless the user
/// gives another, and must live until the command has run. `names` is "-o,--output" or "--as".
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  void positional(const std::string& name, std::string& target, const std::string& help);
  void optional_positional(const std::string& name, std::string& target, const std::string& help);
  void text(const std::string& names, std::string& target, const std::string& help);
  void required_text(const std::string& names, std::string& target, const std::string& help);
  void text_list(const std::string& names, std::vector<std::string>& target,
                 const std::string& help);
  void choice(const std::string& names, std::string& target,
              const std::vector<std::string>& choices, const std::string& help);
  void required_choice(const std::string& names, std::string& target,
                       const std::vector<std::string>& choices, const std::string& help);
  void number(const std::string& names, uint32_t& target, Bounds<uint32_t> bounds,
              const std::string& help);
  void number(const std::string& names, uint64_t& target, Bounds<uint64_t> bounds,
              const std::string& help);
  void number(const std::string& names, std::optional<int>& target, Bounds<int> bounds,
              const std::string& help);
  void number(const std::string& names, double& target, Bounds<double> bounds,
              const std::string& help);
  /// A number of bytes: "4096", "512K", "1M", "2G".
  void size(const std::string& names, uint64_t& target, const std::string& help);
  void flag(const std::string& names, bool& target, const std::string& help);
  /// Two options declared before that must not be given together.
  void exclude(const std::string& one, const std::string& other);

 private:
  CLI::App* app_;
};

/// The tool: options that every command accepts, and the commands.
class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& version, const std::string& description,
              const std::string& footer);
  ~CommandLine();

  /// For options that may stand before or after the command's name.
  Command all_commands();
  /// `run` is what parse() returns when the user names this command.
  Command add_command(const std::string& name, const std::string& description,
                      const std::string& footer, std::function<int()> run);

  /// What the user asked for: a command to run, or, after printing help, version or a usage
  /// error's message in `error`, an exit code.
  struct Parsed {
    std::function<int()> run = {};
    int exit_code = 0;
    std::string error = {};
  };
  Parsed parse(int argument_count, const char* const* arguments);

 private:
  std::unique_ptr<CLI::App> app_;
  std::function<int()> run_;
};

}  // namespace qload::tools
