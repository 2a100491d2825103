// Help, version and the exit codes that docs/cli.md promises.
#include <gtest/gtest.h>

#include "tests/cli/run_tool.h"

namespace qload::test {
namespace {

constexpr const char* kCommands[] = {"pack",   "quantize", "unpack", "inspect",
                                     "verify", "load",     "synth"};

TEST(CliUsage, HelpNamesEveryCommand) {
  const ToolResult result = expect_success({"--help"});
  for (const char* command : kCommands) EXPECT_NE(result.out.find(command), std::string::npos);
  EXPECT_NE(result.out.find("Exit codes:"), std::string::npos);
}

TEST(CliUsage, HelpOfEachCommandHasAnExample) {
  for (const char* command : kCommands) {
    const ToolResult result = expect_success({command, "--help"});
    const std::string example = std::string("Example:\n  qpack ") + command;
    EXPECT_NE(result.out.find(example), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("Exit codes:"), std::string::npos);
  }
}

TEST(CliUsage, VersionIsOneLine) {
  EXPECT_TRUE(expect_success({"--version"}).out.starts_with("qpack "));
}

TEST(CliUsage, WrongUsageIsTwo) {
  expect_failure({}, 2, "subcommand");
  expect_failure({"pakc"}, 2, "pakc");
  for (const char* command : kCommands) {
    expect_failure({command}, 2, "required");
    expect_failure({command, "--no-such-option"}, 2, "");
  }
  expect_failure({"pack", "x", "--chunk-size", "3Q"}, 2, "3Q");
  expect_failure({"pack", "x", "--chunk-size", "99999999999999999999G"}, 2, "not a size");
  expect_failure({"pack", "x", "--codec", "lzma"}, 2, "lzma");
  expect_failure({"pack", "x", "--gain-min", "1"}, 2, "gain-min");
  expect_failure({"pack", "-q", "-v", "x"}, 2, "exclude");
  expect_failure({"verify", "x", "--digest", "1234"}, 2, "32 hexadecimal digits");
  expect_failure({"load", "x", "--io", "aio"}, 2, "aio");
  expect_failure({"load", "x", "--queue-depth", "0"}, 2, "queue-depth");
  expect_failure({"load", "x", "--nice", "20"}, 2, "nice");
  for (const char* list : {"", "x", "1,", ",1", "1-", "2-1", "0-262144", "1 2", "-1-2"}) {
    expect_failure({"load", "x", "--processors", list}, 2, "such as 0-3,8");
  }
  expect_failure({"synth", "-o", "x.bin"}, 2, "x.bin");
  expect_failure({"synth", "-o", "x.gguf", "--scheme", "int8_tensor"}, 2, "GGUF");
  expect_failure({"synth", "-o", "x.safetensors", "--scheme", "q8_0"}, 2, "GGUF");
  expect_failure({"synth", "-o", "x.gguf", "--size", "1M", "--layers", "2"}, 2, "exclude");
}

TEST(CliUsage, MissingFilesAreFive) {
  const TempDirectory directory;
  const std::string missing = directory / "missing";
  expect_failure({"pack", missing}, 5, "missing");
  expect_failure({"unpack", missing, "-o", directory / "out"}, 5, "missing");
  expect_failure({"inspect", missing}, 5, "missing");
  expect_failure({"verify", missing}, 5, "missing");
  expect_failure({"load", missing}, 5, "missing");
  expect_failure({"synth", "-o", directory / "no/such.gguf", "--model", "tiny", "--scheme", "f16"},
                 5, "no");
  EXPECT_TRUE(list_directory(directory.path()).empty());
}

TEST(CliUsage, WhatIsNoContainerIsThree) {
  const TempDirectory directory;
  const std::string path = directory / "text.qpk";
  write_file(path, std::string_view("this is no container"));
  for (const char* command : {"inspect", "verify", "load"}) expect_failure({command, path}, 3, "");
  expect_failure({"unpack", path, "-o", directory / "out"}, 3, "");
  write_file(directory / "bad.safetensors", std::string_view("this is no model"));
  expect_failure({"pack", directory / "bad.safetensors"}, 3, "bad.safetensors");
  EXPECT_EQ(list_directory(directory.path()).size(), 2u);
}

TEST(CliUsage, FailedWriteToStdoutIsOne) {
  const PackedTiny tiny;
  const std::string shell = "exec \"$0\" \"$@\" > /dev/full";
  std::vector<std::string> command = {"sh", "-c", shell};
  for (const std::string& part : qpack_command({"inspect", tiny.container})) {
    command.push_back(part);
  }
  const ToolResult result = run_command(command);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("stdout"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace qload::test
