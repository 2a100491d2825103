// tokenizer.json: tokens worked out by hand, text and back, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/qrun/tokenizer_fixture.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<uint32_t>;
using test::added_token;
using test::byte_level_tokenizer;
using test::space_sign_tokenizer;
using ::testing::HasSubstr;

constexpr uint32_t kModelSize = 1000;

std::unique_ptr<const Tokenizer> read(const Json& file) {
  auto tokenizer = read_tokenizer_json(file.dump(), kModelSize);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

Tokens encode(const Json& file, std::string_view text) {
  const auto tokenizer = read(file);
  if (tokenizer == nullptr) return {};
  const auto tokens = tokenizer->encode(text);
  EXPECT_TRUE(tokens.ok()) << tokens.error().message();
  return tokens.ok() ? *tokens : Tokens();
}

TEST(TokenizerJson, MergesInTheOrderOfTheList) {
  // 256 bc, 257 ab, 258 abc by a + bc, 259 aba, 260 aa.
  const Json file =
      byte_level_tokenizer({{"b", "c"}, {"a", "b"}, {"a", "bc"}, {"ab", "a"}, {"a", "a"}});
  EXPECT_EQ(encode(file, "ab"), (Tokens{257}));
  EXPECT_EQ(encode(file, "abc"), (Tokens{258}));        // b c first, though a b stands before it.
  EXPECT_EQ(encode(file, "aba"), (Tokens{259}));        // ab a, aba.
  EXPECT_EQ(encode(file, "abab"), (Tokens{257, 257}));  // Both ab before any aba.
  EXPECT_EQ(encode(file, "aaaaa"), (Tokens{260, 260, 'a'}));  // From the left.
  EXPECT_EQ(encode(file, ""), Tokens());
}

TEST(TokenizerJson, AWholeWordNeedsNoMerges) {
  Json file = byte_level_tokenizer({{"x", "y"}});
  file["model"]["vocab"]["xyz"] = 257;
  EXPECT_EQ(encode(file, "xyz"), (Tokens{256, 'z'}));
  file["model"]["ignore_merges"] = true;
  EXPECT_EQ(encode(file, "xyz"), (Tokens{257}));
  EXPECT_EQ(encode(file, "xyzx"), (Tokens{256, 'z', 'x'}));
}

TEST(TokenizerJson, MergesStayWithinWords) {
  // 256 " a", 257 "12", 258 "123", 259 "b ".
  Json file = byte_level_tokenizer({{"#", "a"}, {"1", "2"}, {"12", "3"}, {"b", "#"}});
  EXPECT_EQ(encode(file, "b a"), (Tokens{'b', 256}));
  EXPECT_EQ(encode(file, "1234123"), (Tokens{258, '4', 258}));
  file["pre_tokenizer"] = test::llama3_pre_tokenizer();
  EXPECT_EQ(encode(file, "1234123"), (Tokens{258, '4', 257, '3'}));  // 123 412 3.
  file["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Digits"}, {"individual_digits", true}},
                             byte_level_tokenizer({})["pre_tokenizer"]}}};
  EXPECT_EQ(encode(file, "12 a"), (Tokens{'1', '2', 256}));
  file["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = false;
  EXPECT_EQ(encode(file, "12 a"), (Tokens{257, 256}));
}

TEST(TokenizerJson, MergesMayBePairs) {
  Json file = byte_level_tokenizer({{"a", "b"}});
  file["model"]["merges"] = Json::array({Json::array({"a", "b"})});
  EXPECT_EQ(encode(file, "ab"), (Tokens{256}));
  // A text with a space, which the other form cannot say.
  file["pre_tokenizer"] = nullptr;
  file["decoder"] = space_sign_tokenizer({}, {})["decoder"];
  file["model"]["vocab"][" "] = 257;
  file["model"]["vocab"][" a"] = 258;
  file["model"]["merges"].push_back(Json::array({" ", "a"}));
  EXPECT_EQ(encode(file, "b a"), (Tokens{'b', 258}));
}

TEST(TokenizerJson, ASpaceMayComeFirst) {
  Json file = byte_level_tokenizer({{"#", "a"}});
  file["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(encode(file, "a"), (Tokens{256}));
  EXPECT_EQ(encode(file, " a"), (Tokens{256}));
  EXPECT_EQ(encode(file, ""), Tokens());
}

TEST(TokenizerJson, SpaceSignsAndBytes) {
  // 259 _, 260 a, 261 b, 262 _a, 263 ab.
  const Json file = space_sign_tokenizer({"_", "a", "b"}, {{"_", "a"}, {"a", "b"}});
  EXPECT_EQ(encode(file, "ab"), (Tokens{1, 262, 261}));  // _ a first.
  EXPECT_EQ(encode(file, "bab"), (Tokens{1, 259, 261, 263}));
  EXPECT_EQ(encode(file, "a  a"), (Tokens{1, 262, 259, 262}));
  EXPECT_EQ(encode(file, ""), (Tokens{1}));
  // A euro sign has no token, its three bytes have.
  EXPECT_EQ(encode(file, "\u20AC"), (Tokens{1, 259, 3 + 0xE2, 3 + 0x82, 3 + 0xAC}));
  const auto tokenizer = read(file);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->decode(Tokens{1, 262, 261, 2}), "ab");
  EXPECT_EQ(tokenizer->decode(Tokens{262, 259, 262}), "a  a");
  EXPECT_EQ(tokenizer->decode(3 + 0xE2), "\xE2");
  EXPECT_EQ(tokenizer->decode(1), "");
  EXPECT_EQ(tokenizer->decode(999), "");  // The model has more tokens than the file.
}

TEST(TokenizerJson, UnknownTokens) {
  Json file = space_sign_tokenizer({"_", "a"}, {});
  file["model"]["byte_fallback"] = false;
  EXPECT_EQ(encode(file, "xya"), (Tokens{1, 259, 0, 260}));  // Fused.
  file["model"]["fuse_unk"] = false;
  EXPECT_EQ(encode(file, "xya"), (Tokens{1, 259, 0, 0, 260}));
  file["model"]["unk_token"] = nullptr;
  const auto tokens = read(file)->encode("xya");
  ASSERT_FALSE(tokens.ok());
  EXPECT_EQ(tokens.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(tokens.error().message()), HasSubstr("\"x\""));
}

TEST(TokenizerJson, MetaspacePutsSignsFirstByItsScheme) {
  // 259 _, 260 a, 261 _a.
  Json file = space_sign_tokenizer({"_", "a"}, {{"_", "a"}});
  file["normalizer"] = nullptr;
  file["added_tokens"].push_back(added_token("<x>", 262));
  const std::string sign(kSpaceSign);
  const auto with = [&](const char* scheme, bool split) {
    file["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", sign}, {"prepend_scheme", scheme}, {"split", split}};
    return encode(file, "a<x>a a");
  };
  EXPECT_EQ(with("always", false), (Tokens{1, 261, 262, 261, 261}));
  EXPECT_EQ(with("first", false), (Tokens{1, 261, 262, 260, 261}));
  EXPECT_EQ(with("never", false), (Tokens{1, 260, 262, 260, 261}));
  // 263 a_: only where signs do not begin pieces.
  file["model"]["vocab"]["a" + sign] = 262;
  file["model"]["merges"] = Json::array({"a " + sign});
  file["added_tokens"][3]["id"] = 263;
  EXPECT_EQ(with("never", false), (Tokens{1, 260, 263, 262, 260}));
  EXPECT_EQ(with("never", true), (Tokens{1, 260, 263, 260, 259, 260}));
}

TEST(TokenizerJson, AddedTokensAreFoundFirst) {
  // 256 "ab"; 257 <|end|>, 258 <|end|>x, 259 "b c" (no special one).
  Json file = byte_level_tokenizer({{"a", "b"}});
  file["added_tokens"] = {added_token("<|end|>", 257), added_token("<|end|>x", 258),
                          added_token("b c", 259, false)};
  EXPECT_EQ(encode(file, "ab<|end|>ab"), (Tokens{256, 257, 256}));
  EXPECT_EQ(encode(file, "<|end|>xy"), (Tokens{258, 'y'}));  // The longest.
  EXPECT_EQ(encode(file, "ab c"), (Tokens{'a', 259}));       // Before any merge.
  EXPECT_EQ(encode(file, "<|end|"), (Tokens{'<', '|', 'e', 'n', 'd', '|'}));
  const auto tokenizer = read(file);
  EXPECT_EQ(tokenizer->decode(257), "");
  EXPECT_EQ(tokenizer->decode(259), "b c");
  // With the white space beside it.
  file["added_tokens"][0]["lstrip"] = true;
  file["added_tokens"][0]["rstrip"] = true;
  EXPECT_EQ(encode(file, "ab \n <|end|>\u3000\tab"), (Tokens{256, 257, 256}));
  EXPECT_EQ(encode(file, " <|end|> <|end|> "), (Tokens{257, 257}));
}

TEST(TokenizerJson, AddedTokensMayBeNormalized) {
  // What Prepend does to the text it does to the token: it is found at a text's start only.
  Json file = space_sign_tokenizer({"_", "a", "b", "t"}, {});
  file["added_tokens"].push_back(added_token("a b", 263, false));
  EXPECT_EQ(encode(file, "ta bt"), (Tokens{1, 259, 262, 263, 259, 262}));
  file["added_tokens"][3]["normalized"] = true;
  EXPECT_EQ(encode(file, "ta bt"), (Tokens{1, 259, 262, 260, 259, 261, 262}));
  EXPECT_EQ(encode(file, "a bt"), (Tokens{1, 263, 262}));
  EXPECT_EQ(encode(file, "t a b"), (Tokens{1, 259, 262, 263}));
}

TEST(TokenizerJson, TemplatesPutTokensAroundTheText) {
  Json file = space_sign_tokenizer({"_", "a"}, {});
  Json& single = file["post_processor"]["single"];
  single.push_back({{"SpecialToken", {{"id", "end"}, {"type_id", 0}}}});
  file["post_processor"]["special_tokens"]["end"] = {
      {"id", "end"}, {"ids", {2, 0}}, {"tokens", {"</s>", "<unk>"}}};
  EXPECT_EQ(encode(file, "a"), (Tokens{1, 259, 260, 2, 0}));
  file["post_processor"] = {
      {"type", "Sequence"},
      {"processors", {byte_level_tokenizer({})["post_processor"], file["post_processor"]}}};
  EXPECT_EQ(encode(file, "a"), (Tokens{1, 259, 260, 2, 0}));
  file["post_processor"] = nullptr;
  EXPECT_EQ(encode(file, "a"), (Tokens{259, 260}));
}

TEST(TokenizerJson, MemoryGrowsWithTokensAndMerges) {
  const uint64_t letters = read(byte_level_tokenizer({}))->memory_bytes();
  EXPECT_GT(letters, 256 * (2 * sizeof(std::string) + sizeof(uint32_t)));
  const uint64_t merged = read(byte_level_tokenizer({{"a", "b"}, {"b", "a"}}))->memory_bytes();
  EXPECT_GE(merged, letters + 2 * (2 * sizeof(std::string) + 4 * sizeof(uint32_t)));
}

TEST(TokenizerJson, TextThatIsNotUtf8IsSaidSo) {
  const auto tokenizer = read(byte_level_tokenizer({}));
  const auto tokens = tokenizer->encode("ab\xC3");
  ASSERT_FALSE(tokens.ok());
  EXPECT_EQ(tokens.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokens.error().message()), HasSubstr("byte 2"));
}

/// Text of all planes, white space and the letters that merges join.
std::string random_text(std::mt19937& random) {
  constexpr const char* kParts[] = {"ab", "the ", " a",     "  ",     "\n",
                                    "'s", "42",   "\u00E9", "\u3042", "\U0001F600",
                                    "!",  "\t",   "\u2581", "\u0120", "x"};
  std::string out;
  for (size_t i = random() % 40; i > 0; --i) out += kParts[random() % std::size(kParts)];
  return out;
}

TEST(TokenizerJson, TextsComeBack) {
  Json llama3 = byte_level_tokenizer({{"a", "b"}, {"t", "h"}, {"th", "e"}, {"#", "a"}, {"#", "#"}});
  const auto gpt2 = read(llama3);
  llama3["pre_tokenizer"] = test::llama3_pre_tokenizer();
  const auto newer = read(llama3);
  const auto signs = read(space_sign_tokenizer({"_", "a", "b"}, {{"_", "a"}, {"_", "_"}}));
  constexpr uint32_t kSeed = 20;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(random);
    EXPECT_EQ(gpt2->decode(gpt2->encode(text).value()), text);
    EXPECT_EQ(newer->decode(newer->encode(text).value()), text);
    if (text.find(kSpaceSign) != std::string::npos) continue;  // Comes back as a space.
    EXPECT_EQ(signs->decode(signs->encode(text).value()), text);
  }
}

}  // namespace
}  // namespace qload::qrun
