#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/text/merge_tokenizer.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/text/tokenizer_file.h"
#include "tools/qrun/text/tokenizer_section.h"
#include "tools/qrun/text/tokenizer_stages.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;
using TokenizerPointer = std::unique_ptr<const Tokenizer>;

/// One of "added_tokens" that is not in the model's vocabulary, or is and is found before it.
struct FileToken {
  AddedToken added;
  bool is_formed = false;   // Found in the text after TextForm, and its own text has it.
  bool is_special = false;  // Adds nothing to a text.
};

/// A file that does not name its type has BPE's fields, as GPT-2's has.
Result<Section> open_model(const Section& root) {
  const Json* value = root.find("model");
  if (value == nullptr) return root.corrupt("\"model\" is absent");
  QLOAD_TRY(const Section model, Section::open(*value, "model"));
  if (model.find("type") != nullptr) QLOAD_CHECK(model.require("type", "BPE"));
  return model;
}

/// An absent field, null and "" are the same.
Result<std::string> optional_text(const Section& section, const char* field) {
  return section.find(field) == nullptr ? Result<std::string>(std::string())
                                        : section.string(field);
}

Result<MergeOptions> read_options(const Section& model) {
  QLOAD_CHECK(model.check_fields({"type", "dropout", "unk_token", "continuing_subword_prefix",
                                  "end_of_word_suffix", "fuse_unk", "byte_fallback",
                                  "ignore_merges", "vocab", "merges"}));
  if (model.find("dropout") != nullptr) return model.unsupported("dropout is on");
  for (const char* field : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    QLOAD_TRY(const std::string affix, optional_text(model, field));
    if (!affix.empty()) QLOAD_CHECK(model.require(field, ""));
  }
  MergeOptions options;
  QLOAD_TRY(options.bytes_for_unknown, model.flag("byte_fallback", false));
  QLOAD_TRY(options.unknown_text, optional_text(model, "unk_token"));
  QLOAD_TRY(options.joins_unknown, model.flag("fuse_unk", false));
  QLOAD_TRY(options.prefers_whole_words, model.flag("ignore_merges", false));
  return options;
}

Result<FileToken> read_file_token(const Json& item, size_t index) {
  QLOAD_TRY(const Section section, Section::open(item, text("added token ", index)));
  QLOAD_CHECK(section.check_fields(
      {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
  FileToken out;
  QLOAD_TRY(out.added.token, section.number("id"));
  QLOAD_TRY(out.added.text, section.string("content"));
  QLOAD_TRY(out.added.takes_space_before, section.flag("lstrip"));
  QLOAD_TRY(out.added.takes_space_after, section.flag("rstrip"));
  QLOAD_TRY(out.is_formed, section.flag("normalized"));
  QLOAD_TRY(out.is_special, section.flag("special"));
  QLOAD_TRY(const bool is_word, section.flag("single_word"));
  if (is_word) return section.unsupported("single_word is true");
  return out;
}

/// Tokens that are not in the vocabulary are numbered behind it, in their order; the tokenizers
/// library does that whatever their "id" says.
Result<std::vector<FileToken>> read_file_tokens(const Section& root, const TokenNumbers& numbers) {
  std::vector<FileToken> out;
  if (root.find("added_tokens") == nullptr) return out;
  QLOAD_TRY(const Json* const list, root.list("added_tokens"));
  uint64_t next = numbers.size();
  for (const Json& item : *list) {
    QLOAD_TRY(FileToken token, read_file_token(item, out.size()));
    const auto found = numbers.find(token.added.text);
    const uint64_t expected = found == numbers.end() ? next : found->second;
    if (token.added.token != expected) {
      return root.unsupported(text(
          "added token ", quote(token.added.text), " is ", token.added.token, ", expected ",
          expected,
          found == numbers.end() ? ", the next after the vocabulary" : " as in the vocabulary"));
    }
    next = std::max(next, expected + 1);
    out.push_back(std::move(token));
  }
  return out;
}

std::string spell(const std::string& piece, PieceSpelling spelling) {
  if (spelling == PieceSpelling::kByteLetters) return from_byte_letters(piece).value_or(piece);
  if (const auto byte = find_byte(piece)) return std::string(1, static_cast<char>(*byte));
  return with_plain_spaces(piece);
}

/// Sets out.pieces, and checks every number against the model's.
Status add_pieces(const Section& root, const TokenNumbers& numbers,
                  const std::vector<FileToken>& file_tokens, PieceSpelling spelling,
                  uint32_t vocabulary_size, MergeVocabulary& out) {
  std::vector<bool> is_taken;
  const auto set = [&](uint32_t token, const std::string& name, std::string piece) -> Status {
    if (token >= vocabulary_size) {
      return root.unsupported(text("token ", quote(name), " is ", token, ", the model has ",
                                   vocabulary_size, " tokens"));
    }
    if (token >= out.pieces.size()) out.pieces.resize(size_t{token} + 1);
    out.pieces[token] = std::move(piece);
    return Ok{};
  };
  for (const auto& [name, token] : numbers) {
    QLOAD_CHECK(set(token, name, spell(name, spelling)));
    is_taken.resize(std::max(is_taken.size(), out.pieces.size()));
    if (is_taken[token]) return root.corrupt(text("two tokens are ", token));
    is_taken[token] = true;
  }
  for (const FileToken& file_token : file_tokens) {
    const AddedToken& added = file_token.added;
    std::string piece;
    if (!file_token.is_special) {
      // Not in letters: their texts are those that a text has.
      piece = spelling == PieceSpelling::kSpaceSigns ? spell(added.text, spelling) : added.text;
    }
    QLOAD_CHECK(set(added.token, added.text, std::move(piece)));
  }
  for (const auto* tokens : {&out.first_tokens, &out.last_tokens}) {
    for (const uint32_t token : *tokens) {
      if (token < out.pieces.size()) continue;
      return root.corrupt(text("post_processor adds token ", token, " of ", out.pieces.size()));
    }
  }
  return Ok{};
}

Status index_added(std::vector<FileToken> file_tokens, MergeVocabulary& out) {
  std::vector<AddedToken> plain;
  std::vector<AddedToken> formed;
  for (FileToken& token : file_tokens) {
    if (token.is_formed) token.added.text = out.form.apply(token.added.text);
    (token.is_formed ? formed : plain).push_back(std::move(token.added));
  }
  QLOAD_TRY(out.plain_added, AddedTokens::create(std::move(plain)));
  QLOAD_TRY(out.formed_added, AddedTokens::create(std::move(formed)));
  return Ok{};
}

}  // namespace

Result<TokenizerPointer> read_tokenizer_json(std::string_view json, uint32_t vocabulary_size) {
  QLOAD_TRY(TokenizerFile file, parse_tokenizer_file(json));
  QLOAD_TRY(const Section root, Section::open(*file.settings, "tokenizer.json"));
  QLOAD_CHECK(root.require("version", "1.0"));
  QLOAD_TRY(const Section model, open_model(root));
  if (!file.has_numbers) return model.corrupt("\"vocab\" is absent");
  if (!file.has_merges) return model.corrupt("\"merges\" is absent");
  QLOAD_TRY(const MergeOptions options, read_options(model));

  MergeVocabulary out;
  QLOAD_CHECK(read_cutting(root, out));
  QLOAD_TRY(const PieceSpelling spelling, read_decoder(root, out));
  QLOAD_CHECK(read_surroundings(root, out));
  QLOAD_TRY(std::vector<FileToken> file_tokens, read_file_tokens(root, file.numbers));
  QLOAD_CHECK(add_pieces(root, file.numbers, file_tokens, spelling, vocabulary_size, out));
  QLOAD_CHECK(index_added(std::move(file_tokens), out));
  QLOAD_TRY(out.model, MergeModel::create(std::move(file.numbers), file.merges, options));
  return TokenizerPointer(std::make_unique<MergeTokenizer>(std::move(out)));
}

}  // namespace qload::qrun
