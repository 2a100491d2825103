#include "tools/qrun/text/tokenizer_stages.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/text/piece_text.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

Json sign_json() { return std::string(kSpaceSign); }

Status read_normalizer(const Section& stage, TextForm& form) {
  QLOAD_TRY(const std::string type, stage.string("type"));
  if (type == "Prepend") {
    QLOAD_CHECK(stage.check_fields({"type", "prepend"}));
    QLOAD_CHECK(stage.require("prepend", sign_json()));
    return std::exchange(form.space_sign_first, true) ? stage.unsupported("Prepend occurs twice")
                                                      : Status(Ok{});
  }
  if (type == "Replace") {
    QLOAD_CHECK(stage.check_fields({"type", "pattern", "content"}));
    QLOAD_CHECK(stage.require("pattern", Json::object({{"String", " "}})));
    QLOAD_CHECK(stage.require("content", sign_json()));
    form.to_space_signs = true;
    return Ok{};
  }
  return stage.unsupported(text(quote(type), ", this engine knows Prepend and Replace"));
}

Status read_metaspace(const Section& stage, std::vector<PieceStep>& steps) {
  QLOAD_CHECK(stage.check_fields(
      {"type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"}));
  QLOAD_CHECK(stage.require("replacement", sign_json()));
  QLOAD_TRY(const bool adds_space, stage.flag("add_prefix_space", true));
  std::string scheme = adds_space ? "always" : "never";
  if (stage.find("prepend_scheme") != nullptr) {
    QLOAD_TRY(scheme, stage.string("prepend_scheme"));
    if (!adds_space && scheme != "never") {
      return stage.corrupt(text("add_prefix_space is false and prepend_scheme ", quote(scheme)));
    }
  }
  steps.push_back(PieceStep::kToSpaceSigns);
  if (scheme == "always") {
    steps.push_back(PieceStep::kSpaceSignFirst);
  } else if (scheme == "first") {
    steps.push_back(PieceStep::kSpaceSignAtStart);
  } else if (scheme != "never") {
    return stage.unsupported(text("prepend_scheme is ", quote(scheme)));
  }
  QLOAD_TRY(const bool splits, stage.flag("split", true));
  if (splits) steps.push_back(PieceStep::kCutBeforeSpaceSign);
  return Ok{};
}

Status read_split(const Section& stage, std::vector<PieceStep>& steps) {
  QLOAD_CHECK(stage.check_fields({"type", "pattern", "behavior", "invert"}));
  QLOAD_TRY(const std::string behavior, stage.string("behavior"));
  QLOAD_TRY(const bool inverts, stage.flag("invert"));
  // The patterns leave nothing between their matches, so that keeping the matches and removing what
  // is no match are the same.
  if (!(behavior == "Isolated" && !inverts) && !(behavior == "Removed" && inverts)) {
    return stage.unsupported(text("behavior ", quote(behavior), " with invert ",
                                  inverts ? "true" : "false",
                                  ", this engine knows \"Isolated\" with false"));
  }
  const Json* pattern = stage.find("pattern");
  const Json gpt2 = {
      {"Regex", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"}};
  const Json llama3 = {{"Regex",
                        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                        R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
  if (pattern != nullptr && *pattern == gpt2) {
    steps.push_back(PieceStep::kCutByGpt2);
    return Ok{};
  }
  if (pattern != nullptr && *pattern == llama3) {
    steps.push_back(PieceStep::kCutByLlama3);
    return Ok{};
  }
  return stage.unsupported(text("pattern ",
                                pattern == nullptr ? "absent" : quote(pattern->dump(), 300),
                                ", this engine knows GPT-2's and Llama 3's"));
}

Status read_pre_tokenizer(const Section& stage, std::vector<PieceStep>& steps) {
  QLOAD_TRY(const std::string type, stage.string("type"));
  if (type == "Split") return read_split(stage, steps);
  if (type == "Metaspace") return read_metaspace(stage, steps);
  if (type == "Digits") {
    QLOAD_CHECK(stage.check_fields({"type", "individual_digits"}));
    QLOAD_TRY(const bool each, stage.flag("individual_digits"));
    steps.push_back(each ? PieceStep::kCutDigits : PieceStep::kCutNumbers);
    return Ok{};
  }
  if (type == "ByteLevel") {
    // trim_offsets moves no token.
    QLOAD_CHECK(stage.check_fields({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    QLOAD_TRY(const bool adds_space, stage.flag("add_prefix_space"));
    QLOAD_TRY(const bool cuts, stage.flag("use_regex", true));
    if (adds_space) steps.push_back(PieceStep::kSpaceFirst);
    if (cuts) steps.push_back(PieceStep::kCutByGpt2);
    steps.push_back(PieceStep::kToByteLetters);
    return Ok{};
  }
  return stage.unsupported(
      text(quote(type), ", this engine knows ByteLevel, Digits, Metaspace and Split"));
}

/// The tokens of one place of a template.
Status add_template_tokens(const Section& item, const Section& special_tokens,
                           std::vector<uint32_t>& tokens) {
  QLOAD_CHECK(item.check_fields({"id", "type_id"}));
  QLOAD_TRY(const std::string name, item.string("id"));
  const Json* value = special_tokens.find(name.c_str());
  if (value == nullptr) {
    return special_tokens.corrupt(text(quote(name), " is absent"));
  }
  QLOAD_TRY(const Section token, Section::open(*value, text("special token ", quote(name))));
  QLOAD_TRY(const Json* const numbers, token.list("ids"));
  for (const Json& number : *numbers) {
    if (!number.is_number_unsigned() || number.get<uint64_t>() > UINT32_MAX) {
      return token.corrupt(text("number ", quote(number.dump(), 40)));
    }
    tokens.push_back(number.get<uint32_t>());
  }
  return Ok{};
}

Status read_template(const Section& stage, MergeVocabulary& out) {
  QLOAD_CHECK(stage.check_fields({"type", "single", "pair", "special_tokens"}));
  QLOAD_TRY(const Json* const places, stage.list("single"));
  const Json* named = stage.find("special_tokens");
  const Json none = Json::object();
  QLOAD_TRY(const Section special_tokens,
            Section::open(named == nullptr ? none : *named, "special_tokens"));
  size_t text_count = 0;
  for (const Json& place : *places) {
    QLOAD_TRY(const Section item, Section::open(place, "template"));
    QLOAD_CHECK(item.check_fields({"SpecialToken", "Sequence"}));
    if (const Json* value = item.find("SpecialToken")) {
      QLOAD_TRY(const Section token, Section::open(*value, "template token"));
      QLOAD_CHECK(add_template_tokens(token, special_tokens,
                                      text_count == 0 ? out.first_tokens : out.last_tokens));
      continue;
    }
    const Json* value = item.find("Sequence");
    if (value == nullptr) return item.corrupt("neither SpecialToken nor Sequence");
    QLOAD_TRY(const Section sequence, Section::open(*value, "template sequence"));
    QLOAD_CHECK(sequence.require("id", "A"));
    ++text_count;
  }
  if (text_count == 1) return Ok{};
  return stage.corrupt(text("the text stands in it ", text_count, " times"));
}

}  // namespace

Status read_cutting(const Section& root, MergeVocabulary& out) {
  QLOAD_TRY(const auto normalizers, Section::open_stages(root, "normalizer", "normalizers"));
  for (const Section& stage : normalizers) QLOAD_CHECK(read_normalizer(stage, out.form));
  QLOAD_TRY(const auto cutters, Section::open_stages(root, "pre_tokenizer", "pretokenizers"));
  for (const Section& stage : cutters) {
    if (std::ranges::count(out.steps, PieceStep::kToByteLetters) > 0) {
      return stage.unsupported("a stage after ByteLevel");
    }
    QLOAD_CHECK(read_pre_tokenizer(stage, out.steps));
  }
  const bool has_metaspace = std::ranges::count(out.steps, PieceStep::kToSpaceSigns) > 0;
  if (has_metaspace && (cutters.size() > 1 || !normalizers.empty())) {
    return root.unsupported("Metaspace beside other stages");
  }
  return Ok{};
}

Result<PieceSpelling> read_decoder(const Section& root, MergeVocabulary& out) {
  const bool is_byte_level = std::ranges::count(out.steps, PieceStep::kToByteLetters) > 0;
  const Json* decoder = root.find("decoder");
  const Json absent;
  if (decoder == nullptr) decoder = &absent;
  if (is_byte_level) {
    if (decoder->is_object() && decoder->value("type", Json()) == "ByteLevel") {
      return PieceSpelling::kByteLetters;
    }
  } else {
    Json stages = {{{"type", "Replace"}, {"pattern", {{"String", sign_json()}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}};
    const auto sequence = [&] { return Json{{"type", "Sequence"}, {"decoders", stages}}; };
    if (*decoder == sequence()) return PieceSpelling::kSpaceSigns;
    stages.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    out.space_first = true;
    if (*decoder == sequence()) return PieceSpelling::kSpaceSigns;
  }
  return root.unsupported(text("decoder is ", quote(decoder->dump(), 200), ", this engine knows ",
                               is_byte_level
                                   ? "ByteLevel for a ByteLevel pre_tokenizer"
                                   : "a Sequence of Replace, ByteFallback, Fuse and Strip"));
}

Status read_surroundings(const Section& root, MergeVocabulary& out) {
  QLOAD_TRY(const auto stages, Section::open_stages(root, "post_processor", "processors"));
  bool has_template = false;
  for (const Section& stage : stages) {
    QLOAD_TRY(const std::string type, stage.string("type"));
    if (type == "ByteLevel") continue;  // It moves offsets, and no token.
    if (type != "TemplateProcessing" || has_template) {
      return stage.unsupported(
          text(quote(type), ", this engine knows ByteLevel, and TemplateProcessing once"));
    }
    has_template = true;
    QLOAD_CHECK(read_template(stage, out));
  }
  return Ok{};
}

}  // namespace qload::qrun
