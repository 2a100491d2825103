// Loading where the system refuses io_uring, O_DIRECT or locked memory: the right bytes, and
// statistics that tell what ran.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cli/run_tool.h"

namespace qload::test {
namespace {

// qload_refuse could not refuse on this machine.
constexpr int kExitCannotRefuse = 125;

/// `load --check --json` of the tiny model under qload_refuse; nothing when it cannot refuse.
std::optional<nlohmann::json> load_refused(const PackedTiny& tiny,
                                           const std::vector<std::string>& refusals,
                                           const std::vector<std::string>& options = {}) {
  std::vector<std::string> command = {QLOAD_REFUSE_PATH};
  command.insert(command.end(), refusals.begin(), refusals.end());
  command.emplace_back("--");
  for (const std::string& part :
       qpack_command({"load", tiny.container, "--check", tiny.source, "--json"})) {
    command.push_back(part);
  }
  command.insert(command.end(), options.begin(), options.end());
  const ToolResult result = run_command(command);
  if (result.exit_code == kExitCannotRefuse) return std::nullopt;
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = parse_output(result);
  EXPECT_EQ(json["checked"], true);
  return json["loads"][0];
}

bool emulated() { return std::string_view(QLOAD_EMULATOR) != ""; }

TEST(CliRefusal, UringRefusedFallsBackToPread) {
  if (emulated()) GTEST_SKIP() << "refusals are not seen through the emulator";
  const PackedTiny tiny;
  for (const char* error : {"EPERM", "ENOSYS"}) {
    // Uncached or not is the system's choice; direct I/O makes the engine prefer io_uring.
    const auto load = load_refused(tiny, {"--uring", error});
    if (!load) GTEST_SKIP() << "cannot refuse io_uring here";
    EXPECT_EQ((*load)["engine"], "pread") << error;
  }
}

TEST(CliRefusal, DemandedUringFailsWithItsReason) {
  if (emulated()) GTEST_SKIP() << "refusals are not seen through the emulator";
  const PackedTiny tiny;
  std::vector<std::string> command = {QLOAD_REFUSE_PATH, "--uring", "EPERM", "--"};
  for (const std::string& part : qpack_command({"load", tiny.container, "--io", "uring"})) {
    command.push_back(part);
  }
  const ToolResult result = run_command(command);
  if (result.exit_code == kExitCannotRefuse) GTEST_SKIP() << "cannot refuse io_uring here";
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_NE(result.err.find("EPERM"), std::string::npos) << result.err;
}

TEST(CliRefusal, DirectRefusedReadsBuffered) {
  if (emulated()) GTEST_SKIP() << "refusals are not seen through the emulator";
  const PackedTiny tiny;
  const auto load = load_refused(tiny, {"--direct"});
  if (!load) GTEST_SKIP() << "cannot refuse O_DIRECT here";
  EXPECT_EQ((*load)["direct"], false);
}

TEST(CliRefusal, SmallMemlockStillLoads) {
  if (emulated()) GTEST_SKIP() << "refusals are not seen through the emulator";
  const PackedTiny tiny;
  const auto load = load_refused(tiny, {"--memlock", "65536"});
  if (!load) GTEST_SKIP() << "cannot limit locked memory here";
  EXPECT_LE((*load)["pinned_bytes"], 65536u);
  EXPECT_EQ((*load)["registered_buffers"], false);
}

TEST(CliRefusal, LoadsFromTmpfs) {
  if (access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no /dev/shm to write to";
  const PackedTiny tiny;
  const std::string path = "/dev/shm/qload-cli-" + std::to_string(getpid()) + ".qpk";
  std::filesystem::copy_file(tiny.container, path);
  const auto json = parse_output(expect_success({"load", path, "--check", tiny.source, "--json"}));
  EXPECT_EQ(json["loads"][0]["direct"], false);
  EXPECT_EQ(json["loads"][0]["bytes_decoded"], json["decoded_bytes"]);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace qload::test
