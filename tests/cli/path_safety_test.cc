// A container whose paths lead out of the target directory is refused by every command.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cli/run_tool.h"
#include "tests/support/container_fixtures.h"

namespace qload::test {
namespace {

TEST(CliPathSafety, UnpacksASeveralFileModelIntoItsDirectory) {
  const TempDirectory directory;
  write_sample(directory / "sample.qpk");
  expect_success({"unpack", directory / "sample.qpk", "-o", directory / "out"});
  EXPECT_EQ(read_file(directory / "out/model.safetensors"), sample_source());
  EXPECT_EQ(read_file(directory / "out/extra/note.txt"), to_bytes(kSampleCompanion));
}

TEST(CliPathSafety, RefusesPathsThatLeadOutside) {
  // As long as the sample's "extra/note.txt", so that it can be replaced in place.
  for (const std::string_view path : {"../../evil.txt", "/tmp/qld-x.txt", "a/../../../x.t"}) {
    ASSERT_EQ(path.size(), kSampleCompanionPath.size());
    const TempDirectory directory;
    write_sample(directory / "sample.qpk");
    auto bytes = read_file(directory / "sample.qpk");
    const auto wanted = to_bytes(kSampleCompanionPath);
    const auto place = std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
    ASSERT_NE(place, bytes.end());
    const auto evil = to_bytes(path);
    std::copy(evil.begin(), evil.end(), place);
    reseal(bytes);
    write_file(directory / "sample.qpk", bytes);
    std::filesystem::create_directories(directory / "a/b");
    expect_failure({"unpack", directory / "sample.qpk", "-o", directory / "a/b/out"}, 3, "");
    expect_failure({"inspect", directory / "sample.qpk"}, 3, "");
    EXPECT_EQ(list_directory(directory.path()), (std::vector<std::string>{"a", "sample.qpk"}));
    EXPECT_EQ(list_directory(directory / "a"), std::vector<std::string>{"b"});
    EXPECT_FALSE(std::filesystem::exists("/tmp/qld-x.txt"));
  }
}

TEST(CliPathSafety, DoesNotFollowLinksOutOfTheTarget) {
  const TempDirectory directory;
  const TempDirectory outside;
  write_sample(directory / "sample.qpk");
  std::filesystem::create_directory(directory / "out");
  std::filesystem::create_directory_symlink(outside.path(), directory / "out/extra");
  const ToolResult result =
      run_qpack({"unpack", directory / "sample.qpk", "-o", directory / "out", "--force"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_TRUE(list_directory(outside.path()).empty());
}

}  // namespace
}  // namespace qload::test
