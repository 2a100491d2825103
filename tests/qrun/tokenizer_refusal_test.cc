// tokenizer.json files that ask for what is not done here, contradict themselves, or are damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/qrun/tokenizer_fixture.h"
#include "tools/qrun/text/tokenizer_file.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;
using test::added_token;
using ::testing::HasSubstr;

constexpr uint32_t kModelSize = 1000;

struct Change {
  const char* place;  // A JSON pointer.
  Json value;
  std::string words;
};

void expect_refused(const Json& file, ErrorCode code, const std::string& words) {
  const auto tokenizer = read_tokenizer_json(file.dump(), kModelSize);
  ASSERT_FALSE(tokenizer.ok()) << words;
  EXPECT_EQ(tokenizer.error().code(), code) << tokenizer.error().message();
  EXPECT_THAT(std::string(tokenizer.error().message()), HasSubstr(words));
}

Json metaspace(Json fields) {
  fields["type"] = "Metaspace";
  if (!fields.contains("replacement")) fields["replacement"] = "\u2581";
  return fields;
}

Json with(Json file, const char* place, const Json& value) {
  file[Json::json_pointer(place)] = value;
  return file;
}

TEST(TokenizerRefusal, NamesWhatIsNotDoneHere) {
  const Json file = test::space_sign_tokenizer({"_", "a"}, {{"_", "a"}});
  ASSERT_TRUE(read_tokenizer_json(file.dump(), kModelSize).ok());
  const Json split = {{"type", "Split"}, {"behavior", "Isolated"}, {"invert", false}};
  const Change changes[] = {
      {"/version", "2.0", "version"},
      {"/model/type", "Unigram", "Unigram"},
      {"/model/type", "WordPiece", "WordPiece"},
      {"/model/dropout", 0.5, "dropout"},
      {"/model/continuing_subword_prefix", "##", "continuing_subword_prefix"},
      {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix"},
      {"/model/new_field", 1, "new_field"},
      {"/normalizer", {{"type", "NFC"}}, "NFC"},
      {"/normalizer/normalizers/1", {{"type", "Lowercase"}}, "Lowercase"},
      {"/normalizer/normalizers/0/prepend", "x", "prepend"},
      {"/normalizer/normalizers/1/pattern", {{"Regex", " "}}, "Regex"},
      {"/normalizer/normalizers/1/content", "_", "content"},
      {"/normalizer/normalizers/1",
       {{"type", "Prepend"}, {"prepend", "\u2581"}},
       "Prepend occurs twice"},
      {"/pre_tokenizer", {{"type", "Whitespace"}}, "Whitespace"},
      {"/pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"new", 1}}, "new"},
      {"/pre_tokenizer", with(split, "/pattern", {{"String", " "}}), "String"},
      {"/pre_tokenizer", with(split, "/pattern", {{"Regex", "\\w+"}}), "w+"},
      {"/pre_tokenizer", with(split, "/behavior", "MergedWithNext"), "MergedWithNext"},
      {"/pre_tokenizer", with(split, "/invert", true), "invert"},
      {"/pre_tokenizer", metaspace({}), "Metaspace beside other stages"},
      {"/pre_tokenizer", metaspace({{"replacement", "_"}}), "replacement"},
      {"/pre_tokenizer", metaspace({{"prepend_scheme", "last"}}), "last"},
      {"/decoder", nullptr, "decoder"},
      {"/decoder/type", "WordPiece", "WordPiece"},
      {"/decoder/decoders/3/start", 2, "decoder"},
      {"/post_processor", {{"type", "BertProcessing"}}, "BertProcessing"},
      {"/post_processor/single/1/Sequence/id", "B", "\"id\""},
      {"/added_tokens/0/single_word", true, "single_word"},
      {"/added_tokens/0/new", true, "new"},
      {"/added_tokens/0/id", 5, "expected 0 as in the vocabulary"},
      {"/added_tokens/3", added_token("new", 300), "expected 262, the next"},
      {"/model/vocab/zz", 1000, "the model has 1000 tokens"},
      {"/model/vocab", Json::array({Json::array({"a", 1})}), "a list as vocab"},
  };
  for (const Change& change : changes) {
    SCOPED_TRACE(std::string(change.place) + " " + change.value.dump());
    expect_refused(with(file, change.place, change.value), ErrorCode::kUnsupported, change.words);
  }
}

TEST(TokenizerRefusal, StagesThatDoNotGoTogether) {
  const Json letters = test::byte_level_tokenizer({});
  const Json signs = test::space_sign_tokenizer({"_"}, {});
  expect_refused(with(letters, "/decoder", signs["decoder"]), ErrorCode::kUnsupported,
                 "ByteLevel for a ByteLevel");
  expect_refused(with(signs, "/decoder", letters["decoder"]), ErrorCode::kUnsupported,
                 "a Sequence of Replace");
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const Json stages = {{"type", "Sequence"}, {"pretokenizers", {letters["pre_tokenizer"], digits}}};
  expect_refused(with(letters, "/pre_tokenizer", stages), ErrorCode::kUnsupported,
                 "after ByteLevel");
  Json bytes = signs;
  bytes["model"]["vocab"].erase("<0x7F>");
  bytes["model"]["vocab"]["other"] = 3 + 0x7F;
  expect_refused(bytes, ErrorCode::kUnsupported, "<0x7F>");
  // Both would take the white space.
  Json added = letters;
  added["added_tokens"] = {added_token("<x>", 256), added_token("\n\n", 257)};
  EXPECT_TRUE(read_tokenizer_json(added.dump(), kModelSize).ok());
  added["added_tokens"][0]["rstrip"] = true;
  expect_refused(added, ErrorCode::kUnsupported, "takes the white space");
}

TEST(TokenizerRefusal, ContradictionsAreCorrupt) {
  const Json file = test::space_sign_tokenizer({"_", "a"}, {{"_", "a"}});
  const Change changes[] = {
      {"/model", nullptr, "\"model\" is absent"},
      {"/model", 7, "expected an object"},
      {"/model/vocab", nullptr, "\"vocab\" is absent"},
      {"/model/merges", nullptr, "\"merges\" is absent"},
      {"/model/vocab/zz", -1, "expected a number less than"},
      {"/model/vocab/zz", "x", "expected a number less than"},
      {"/model/vocab/zz", kVocabularyTokensMax, "expected a number less than"},
      {"/model/vocab/zz", Json::object(), "an object in vocab"},
      {"/model/vocab/zz", 5, "two tokens are 5"},
      {"/model/merges/1", "a", "merge 1 has 1 texts"},
      {"/model/merges/1", "a a a", "merge 1 has 3 texts"},
      {"/model/merges/1", Json::array({"a"}), "merge 1 has 1 texts"},
      {"/model/merges/1", Json::array({"a", "a", "a"}), "a string in merges"},
      {"/model/merges/1", Json::array({"a", 1}), "a number in merges"},
      {"/model/merges/1", Json::array({"a", Json::array()}), "a list in merges"},
      {"/model/merges/1", 1, "a number in merges"},
      {"/model/merges/1", Json::object(), "an object in merges"},
      {"/model/merges/1", "a b", "merge 1 has \"b\""},
      {"/model/merges/1", "a a", "merge 1 has \"aa\""},
      {"/model/merges/1", "\u2581 a", "merges 0 and 1"},
      {"/model/unk_token", "<none>", "unknown token \"<none>\""},
      {"/model/byte_fallback", 1, "expected true or false"},
      {"/normalizer", "Prepend", "expected an object"},
      {"/normalizer/normalizers", {{"type", "Prepend"}}, "expected a list"},
      {"/pre_tokenizer", Json::object(), "\"type\" is absent"},
      {"/pre_tokenizer", {{"type", 3}}, "expected a string"},
      {"/pre_tokenizer", {{"type", "ByteLevel"}}, "\"add_prefix_space\" is absent"},
      {"/post_processor/single", Json::array(), "0 times"},
      {"/post_processor/single/0/SpecialToken/id", "<x>", "\"<x>\" is absent"},
      {"/post_processor/special_tokens/<s>/ids/0", 999, "adds token 999"},
      {"/post_processor/special_tokens/<s>/ids/0", -1, "number \"-1\""},
      {"/added_tokens", 3, "expected a list"},
      {"/added_tokens/0", 3, "expected an object"},
      {"/added_tokens/0/id", "0", "whole number"},
      {"/added_tokens/3", added_token("", 262), "not empty"},
  };
  for (const Change& change : changes) {
    SCOPED_TRACE(std::string(change.place) + " " + change.value.dump());
    expect_refused(with(file, change.place, change.value), ErrorCode::kCorrupt, change.words);
  }
}

TEST(TokenizerRefusal, TextsThatAreNoSuchFile) {
  const std::string texts[] = {
      "",
      "null",
      "[]",
      "{}",
      "{\"version\":\"1.0\"}",
      std::string(1000, '['),
      R"({"version":"1.0","version":"1.0"})",
      R"({"version":"1.0","model":{"vocab":{"a":0,"a":1},"merges":[]}})",
      R"({"version":"1.0","model":{"vocab":{"a":0},"vocab":{"b":1},"merges":[]}})",
      R"({"version":"1.0","model":{"vocab":{"a":0},"merges":[],"merges":[]}})",
      R"({"version":"1.0","model":[{"vocab":1},{"a":0}]})",
      "{\"\xFF\":0}",
  };
  for (const std::string& text : texts) {
    const auto tokenizer = read_tokenizer_json(text, kModelSize);
    EXPECT_FALSE(tokenizer.ok()) << text.substr(0, 100);
  }
  const auto large = read_tokenizer_json(std::string(kTokenizerBytesMax + 1, ' '), kModelSize);
  ASSERT_FALSE(large.ok());
  EXPECT_THAT(std::string(large.error().message()), HasSubstr("expected at most"));
}

TEST(TokenizerRefusal, TooManySettings) {
  std::string json = R"({"version":"1.0","added_tokens":[0)";
  for (int i = 0; i < 1 << 20; ++i) json += ",0";
  const auto tokenizer = read_tokenizer_json(json + "]}", kModelSize);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_THAT(std::string(tokenizer.error().message()), HasSubstr("settings"));
}

/// A file of the size that can be cut at each of its bytes.
std::string short_file() {
  Json file = test::space_sign_tokenizer({"_", "a", "b"}, {{"_", "a"}, {"a", "b"}});
  for (int byte = 0; byte < 256; ++byte) {
    // Numbered anew without the bytes: <unk>, <s>, </s>, then the rest.
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    file["model"]["vocab"].erase(name);
  }
  for (auto& [name, token] : file["model"]["vocab"].items()) {
    if (token > 2) token = token.get<uint32_t>() - 256;
  }
  file["model"]["byte_fallback"] = false;
  return file.dump();
}

TEST(TokenizerRefusal, CutAnywhereIsAnError) {
  const std::string whole = short_file();
  ASSERT_TRUE(read_tokenizer_json(whole, kModelSize).ok());
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const auto cut = read_tokenizer_json(whole.substr(0, bytes), kModelSize);
    ASSERT_FALSE(cut.ok()) << bytes;
    EXPECT_EQ(cut.error().code(), ErrorCode::kCorrupt) << bytes;
  }
}

TEST(TokenizerRefusal, ChangedBytesGiveAnErrorOrATokenizer) {
  const std::string whole = short_file();
  constexpr uint32_t kSeed = 4;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  int accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string changed = whole;
    for (size_t count = 1 + random() % 3; count > 0; --count) {
      changed[random() % changed.size()] = static_cast<char>(0x20 + random() % 0x60);
    }
    const auto tokenizer = read_tokenizer_json(changed, kModelSize);
    if (!tokenizer.ok()) continue;
    ++accepted;
    const auto tokens = (*tokenizer)->encode("ab a<s> \u00E9");
    if (!tokens.ok()) continue;
    for (const uint32_t token : *tokens) EXPECT_LT(token, kModelSize);
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace qload::qrun
