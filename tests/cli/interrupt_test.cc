// Stopping a pack half way: by request, and by force. Nothing may stay behind.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/cli/run_tool.h"

namespace qload::test {
namespace {

/// A model of 64 MB whose pack takes many seconds: one thread at a high zstd level.
struct SlowPack {
  SlowPack() {
    expect_success({"synth", "-o", directory / "slow.safetensors", "--model", "tiny", "--scheme",
                    "f32", "--size", "64M"});
  }
  std::vector<std::string> command() const {
    return qpack_command({"pack", directory / "slow.safetensors", "-o", directory / "slow.qpk",
                          "--threads", "1", "--codec", "zstd", "--level", "22", "--chunk-size",
                          "64K", "--progress", "always"});
  }
  TempDirectory directory;
};

/// Starts the pack, waits until it has written something, sends `signal`.
ToolResult interrupt_pack(const SlowPack& slow, int signal) {
  ToolProcess process(slow.command());
  EXPECT_TRUE(process.wait_for_error_text("pack [ ")) << "ended before it could be stopped";
  process.send(signal);
  return process.wait();
}

TEST(CliInterrupt, SigintStopsCleanly) {
  const SlowPack slow;
  const ToolResult result = interrupt_pack(slow, SIGINT);
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_NE(result.err.find("qpack: error: stopped by SIGINT"), std::string::npos) << result.err;
  EXPECT_EQ(list_directory(slow.directory.path()), std::vector<std::string>{"slow.safetensors"});
}

TEST(CliInterrupt, SigtermStopsCleanly) {
  const SlowPack slow;
  const ToolResult result = interrupt_pack(slow, SIGTERM);
  EXPECT_EQ(result.exit_code, 143);
  EXPECT_NE(result.err.find("stopped by SIGTERM"), std::string::npos) << result.err;
  EXPECT_EQ(list_directory(slow.directory.path()), std::vector<std::string>{"slow.safetensors"});
}

TEST(CliInterrupt, SigkillLeavesNoFileUnderTheFinalName) {
  const SlowPack slow;
  const ToolResult result = interrupt_pack(slow, SIGKILL);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(slow.directory / "slow.qpk"));
}

TEST(CliInterrupt, AnExistingOutputSurvives) {
  const SlowPack slow;
  write_file(slow.directory / "slow.qpk", std::string_view("before"));
  std::vector<std::string> command = slow.command();
  command.emplace_back("--force");
  ToolProcess process(command);
  EXPECT_TRUE(process.wait_for_error_text("pack [ "));
  process.send(SIGINT);
  EXPECT_EQ(process.wait().exit_code, 130);
  EXPECT_EQ(read_file(slow.directory / "slow.qpk").size(), 6u);
  EXPECT_EQ(list_directory(slow.directory.path()).size(), 2u);
}

}  // namespace
}  // namespace qload::test
