// unpack_container: where files go, and what is left when it fails.
#include <gtest/gtest.h>

#include <string>

#include "format/pack/output_tree.h"
#include "tests/roundtrip/roundtrip.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

namespace fs = std::filesystem;

class Unpack : public testing::Test {
 protected:
  Unpack() {
    content_ = small_int8_model(1);
    write_file(directory_ / "one.safetensors", content_);
    EXPECT_TRUE(
        pack_path(directory_ / "one.safetensors", directory_ / "one.qpk", test_options()).ok());
    fs::create_directory(directory_ / "in");
    for (const char* name : {"a.safetensors", "b.safetensors", "c.safetensors"}) {
      SafetensorsBuilder builder;
      builder.add(name, "I8", {100'000}, gaussian_int8(100'000, 8.0, 1));
      write_file(directory_ / "in" / name, builder.build());
    }
    write_file(directory_ / "in" / "config.json", "{}");
    auto report = pack_path(directory_ / "in", directory_ / "many.qpk", test_options());
    EXPECT_TRUE(report.ok()) << report.error().message();
  }
  Result<RestoreReport> unpack(const char* container, const fs::path& output,
                               bool overwrite = false) {
    return unpack_container(open_container(directory_ / container), output,
                            {.threads = 2, .overwrite = overwrite}, {}, {});
  }

  TempDirectory directory_;
  std::vector<std::byte> content_;
};

TEST_F(Unpack, OneFileGoesToTheOutputItself) {
  ASSERT_TRUE(unpack("one.qpk", directory_ / "copy.bin").ok());
  EXPECT_EQ(read_file(directory_ / "copy.bin"), content_);
}

TEST_F(Unpack, OneFileGoesIntoADirectory) {
  fs::create_directory(directory_ / "there");
  ASSERT_TRUE(unpack("one.qpk", directory_ / "there").ok());
  EXPECT_EQ(read_file(directory_ / "there" / "one.safetensors"), content_);
  ASSERT_TRUE(unpack("one.qpk", directory_ / "new" / "").ok());
  EXPECT_EQ(read_file(directory_ / "new" / "one.safetensors"), content_);
}

TEST_F(Unpack, ManyFilesGoIntoANewDirectory) {
  ASSERT_TRUE(unpack("many.qpk", directory_ / "out").ok());
  EXPECT_EQ(list_directory(directory_ / "out"), list_directory(directory_ / "in"));
  for (const std::string& name : list_directory(directory_ / "in")) {
    EXPECT_EQ(read_file(directory_ / "in" / name), read_file(directory_ / "out" / name));
  }
}

TEST_F(Unpack, ExistingFilesStayUnlessOverwritten) {
  fs::create_directory(directory_ / "out");
  write_file(directory_ / "out" / "c.safetensors", "mine");
  EXPECT_EQ(unpack("many.qpk", directory_ / "out").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(list_directory(directory_ / "out").size(), 1u);
  EXPECT_EQ(read_file(directory_ / "out" / "c.safetensors"), to_bytes("mine"));
  ASSERT_TRUE(unpack("many.qpk", directory_ / "out", true).ok());
  EXPECT_EQ(list_directory(directory_ / "out").size(), 4u);
  EXPECT_GT(fs::file_size(directory_ / "out" / "c.safetensors"), 100'000u);
}

TEST_F(Unpack, ALinkAtTheTargetIsReplacedAndNotFollowed) {
  write_file(directory_ / "victim", "untouched");
  fs::create_directory(directory_ / "out");
  fs::create_symlink(directory_ / "victim", directory_ / "out" / "one.safetensors");
  EXPECT_FALSE(unpack("one.qpk", directory_ / "out").ok());
  ASSERT_TRUE(unpack("one.qpk", directory_ / "out", true).ok());
  EXPECT_EQ(read_file(directory_ / "victim"), to_bytes("untouched"));
  EXPECT_EQ(read_file(directory_ / "out" / "one.safetensors"), content_);
}

TEST_F(Unpack, TheContainerItselfIsNoTarget) {
  EXPECT_FALSE(unpack("one.qpk", directory_ / "one.qpk", true).ok());
  EXPECT_TRUE(verify_container(open_container(directory_ / "one.qpk"), {}, {}, {}).ok());
}

TEST_F(Unpack, DamageLeavesNothingBehind) {
  // The last file's tensor: three files are written by then.
  auto bytes = read_file(directory_ / "many.qpk");
  Container container = open_container(directory_ / "many.qpk");
  auto number = container.index.find("c.safetensors");
  ASSERT_TRUE(number);
  bytes[container.index.chunks_of(container.index.tensors()[*number])[0].offset] ^= std::byte{1};
  write_file(directory_ / "many.qpk", bytes);
  EXPECT_EQ(unpack("many.qpk", directory_ / "out").error().code(), ErrorCode::kCorrupt);
  EXPECT_FALSE(fs::exists(directory_ / "out"));
  fs::create_directory(directory_ / "out");
  write_file(directory_ / "out" / "a.safetensors", "mine");
  write_file(directory_ / "out" / "other", "mine");
  EXPECT_FALSE(unpack("many.qpk", directory_ / "out", true).ok());
  // What was replaced is whole and stays; what was created is gone.
  EXPECT_EQ(list_directory(directory_ / "out"),
            (std::vector<std::string>{"a.safetensors", "other"}));
}

TEST_F(Unpack, Cancelled) {
  std::stop_source stop;
  stop.request_stop();
  auto report = unpack_container(open_container(directory_ / "many.qpk"), directory_ / "out", {},
                                 {}, stop.get_token());
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  EXPECT_FALSE(fs::exists(directory_ / "out"));
}

TEST(OutputTree, HostilePathsAreRefused) {
  TempDirectory directory;
  OutputTree tree(directory.path(), false);
  for (std::string_view path :
       {std::string_view(""), std::string_view("/"), std::string_view("/etc/passwd"),
        std::string_view(".."), std::string_view("../x"), std::string_view("a/../../x"),
        std::string_view("."), std::string_view("a/./b"), std::string_view("a//b"),
        std::string_view("a/"), std::string_view("a\0b", 3)}) {
    EXPECT_FALSE(tree.target_of(path).ok()) << path;
    EXPECT_FALSE(tree.make_directories(path).ok()) << path;
  }
  EXPECT_EQ(tree.target_of("a/..b/c").value(), directory.path() / "a" / "..b" / "c");
  EXPECT_TRUE(list_directory(directory.path()).empty());
}

TEST(OutputTree, LinkedDirectoriesAreNotWrittenThrough) {
  TempDirectory directory;
  TempDirectory outside;
  fs::create_directory_symlink(outside.path(), directory / "link");
  write_file(directory / "file", "x");
  OutputTree tree(directory.path(), false);
  EXPECT_FALSE(tree.make_directories("link/x").ok());
  EXPECT_FALSE(tree.make_directories("link/deep/x").ok());
  EXPECT_FALSE(tree.make_directories("file/x").ok());
  EXPECT_TRUE(list_directory(outside.path()).empty());
}

TEST(OutputTree, CreatedThingsGoUnlessKept) {
  TempDirectory directory;
  {
    OutputTree tree(directory / "out", false);
    ASSERT_TRUE(tree.make_directories("a/b/c").ok());
    write_file(directory / "out" / "a" / "b" / "c", "x");
    tree.add_created(directory / "out" / "a" / "b" / "c");
  }
  EXPECT_TRUE(list_directory(directory.path()).empty());
  {
    OutputTree tree(directory / "out", false);
    ASSERT_TRUE(tree.make_directories("a/b/c").ok());
    tree.keep();
  }
  EXPECT_TRUE(fs::is_directory(directory / "out" / "a" / "b"));
}

}  // namespace
}  // namespace qload::test
