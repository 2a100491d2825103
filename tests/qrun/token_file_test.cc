// Lists of tokens as people write them, and what is no list.
#include "tools/qrun/token_file.h"

#include <gtest/gtest.h>

#include "tests/support/test_files.h"

namespace qload::qrun {
namespace {

TokenLists read(std::string_view text) {
  const auto lists = read_token_lists(text);
  EXPECT_TRUE(lists.ok()) << (lists.ok() ? "" : lists.error().message());
  return lists.ok() ? *lists : TokenLists();
}

TEST(TokenLists, EachLineIsASequence) {
  EXPECT_EQ(read("1 403 407"), (TokenLists{{1, 403, 407}}));
  EXPECT_EQ(read("1,403,407\n"), (TokenLists{{1, 403, 407}}));
  EXPECT_EQ(read("1, 2,,3 \r\n\n  4\t5\n"), (TokenLists{{1, 2, 3}, {4, 5}}));
  EXPECT_EQ(read("0\n4294967295"), (TokenLists{{0}, {4294967295}}));
  EXPECT_EQ(read(""), TokenLists());
  EXPECT_EQ(read(" \n,\n"), TokenLists());
}

TEST(TokenLists, WordsThatAreNoTokens) {
  for (const char* word : {"a", "-1", "1.5", "4294967296", "0x10", "[1", "+1"}) {
    const auto lists = read_token_lists(std::string("7 8\n9 ") + word + " 3");
    ASSERT_FALSE(lists.ok()) << word;
    EXPECT_EQ(lists.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(lists.error().message(),
              std::string("line 2 holds \"") + word + "\", expected token numbers");
  }
  EXPECT_FALSE(read_token_lists(std::string_view("1\0002", 3)).ok());
}

TEST(TokenFile, ErrorsNameIt) {
  const test::TempDirectory directory;
  test::write_file(directory / "list.txt", "1 2\n3");
  const auto lists = read_token_file(directory / "list.txt");
  ASSERT_TRUE(lists.ok());
  EXPECT_EQ(*lists, (TokenLists{{1, 2}, {3}}));
  test::write_file(directory / "words.txt", "once upon");
  test::write_file(directory / "empty.txt", "\n");
  for (const char* name : {"words.txt", "empty.txt"}) {
    const auto broken = read_token_file(directory / name);
    ASSERT_FALSE(broken.ok());
    EXPECT_EQ(broken.error().code(), ErrorCode::kCorrupt);
    EXPECT_NE(broken.error().message().find(name), std::string::npos);
  }
  EXPECT_EQ(read_token_file(directory / "absent.txt").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace qload::qrun
