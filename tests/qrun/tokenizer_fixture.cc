#include "tests/qrun/tokenizer_fixture.h"

#include "tools/qrun/text/piece_text.h"

namespace qload::test {
namespace {

using Json = nlohmann::json;
using Merges = std::vector<std::pair<std::string, std::string>>;

std::string replaced(std::string text, char from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, 1, to);
  }
  return text;
}

void add_merges(const Merges& merges, char from, const std::string& to, Json& model) {
  model["merges"] = Json::array();
  for (const auto& [left, right] : merges) {
    const std::string first = replaced(left, from, to);
    const std::string second = replaced(right, from, to);
    model["merges"].push_back(first + " " + second);
    if (!model["vocab"].contains(first + second)) {
      model["vocab"][first + second] = model["vocab"].size();
    }
  }
}

Json file_of(Json model) {
  return {{"version", "1.0"},          {"truncation", nullptr},
          {"padding", nullptr},        {"added_tokens", Json::array()},
          {"normalizer", nullptr},     {"pre_tokenizer", nullptr},
          {"post_processor", nullptr}, {"decoder", nullptr},
          {"model", std::move(model)}};
}

}  // namespace

Json added_token(const std::string& content, uint32_t token, bool special) {
  return {{"id", token},     {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

Json byte_level_tokenizer(const Merges& merges) {
  // GPT-2's file names no type.
  Json model = {
      {"dropout", nullptr},       {"unk_token", nullptr}, {"continuing_subword_prefix", ""},
      {"end_of_word_suffix", ""}, {"fuse_unk", false},    {"vocab", Json::object()}};
  for (int byte = 0; byte < 256; ++byte) {
    model["vocab"][qrun::to_byte_letters(std::string(1, static_cast<char>(byte)))] = byte;
  }
  add_merges(merges, '#', "\u0120", model);
  Json file = file_of(std::move(model));
  file["pre_tokenizer"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  file["post_processor"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}};
  file["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}};
  return file;
}

Json llama3_pre_tokenizer() {
  const Json split = {{"type", "Split"},
                      {"pattern",
                       {{"Regex",
                         "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                         "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json letters = {{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", true},
                        {"use_regex", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {split, letters}}};
}

Json space_sign_tokenizer(const std::vector<std::string>& pieces, const Merges& merges) {
  const std::string sign(qrun::kSpaceSign);
  Json model = {{"type", "BPE"},         {"dropout", nullptr},
                {"unk_token", "<unk>"},  {"continuing_subword_prefix", nullptr},
                {"fuse_unk", true},      {"end_of_word_suffix", nullptr},
                {"byte_fallback", true}, {"vocab", {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}}}};
  Json& vocabulary = model["vocab"];
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[qrun::byte_piece(static_cast<uint8_t>(byte))] = 3 + byte;
  }
  for (const std::string& piece : pieces) {
    vocabulary[replaced(piece, '_', sign)] = vocabulary.size();
  }
  add_merges(merges, '_', sign, model);
  Json file = file_of(std::move(model));
  file["added_tokens"] = {added_token("<unk>", 0), added_token("<s>", 1), added_token("</s>", 2)};
  file["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", sign}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", sign}}}}};
  const Json begin = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {begin, text}},
      {"pair", {begin, text}},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
  file["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", {{"String", sign}}}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  return file;
}

}  // namespace qload::test
