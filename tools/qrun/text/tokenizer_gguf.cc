#include <algorithm>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/text/merge_tokenizer.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/text/score_tokenizer.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

using TokenizerPointer = std::unique_ptr<const Tokenizer>;

// llama.h, enum llama_token_type.
constexpr int32_t kTypeUnknown = 2;
constexpr int32_t kTypeControl = 3;
constexpr int32_t kTypeUserDefined = 4;
constexpr int32_t kTypeByte = 6;

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// What both kinds of vocabulary have.
struct GgufVocabulary {
  std::vector<std::string_view> texts;
  std::vector<int32_t> types;           // 0 where the header has none.
  std::optional<uint32_t> begin_token;  // Where there is one, wanted or not.
  std::optional<bool> wants_begin_token;
};

Result<GgufVocabulary> read_vocabulary(const GgufValues& values, uint32_t vocabulary_size) {
  GgufVocabulary out;
  QLOAD_TRY(out.texts, values.find_texts("tokenizer.ggml.tokens"));
  QLOAD_TRY(out.types, values.find_integers("tokenizer.ggml.token_type"));
  if (out.texts.size() != vocabulary_size ||
      (!out.types.empty() && out.types.size() != vocabulary_size)) {
    return corrupt(text("GGUF vocabulary has ", out.texts.size(), " tokens and ", out.types.size(),
                        " types, expected ", vocabulary_size, " of each"));
  }
  out.types.resize(vocabulary_size);
  QLOAD_TRY(out.wants_begin_token, values.find_bool("tokenizer.ggml.add_bos_token"));
  QLOAD_TRY(const auto begin, values.find_count("tokenizer.ggml.bos_token_id"));
  if (begin && *begin >= vocabulary_size) {
    return corrupt(text("GGUF begin token is ", *begin, " of ", vocabulary_size));
  }
  if (begin) out.begin_token = static_cast<uint32_t>(*begin);
  return out;
}

Result<TokenizerPointer> read_scores(const GgufValues& values, const GgufVocabulary& vocabulary) {
  ScoreVocabulary out;
  QLOAD_TRY(out.scores, values.find_floats("tokenizer.ggml.scores"));
  if (out.scores.size() != vocabulary.texts.size()) {
    return corrupt(text("GGUF vocabulary has ", out.scores.size(), " scores, expected ",
                        vocabulary.texts.size()));
  }
  std::vector<uint32_t> byte_tokens(256, kNoToken);
  for (uint32_t i = 0; i < vocabulary.texts.size(); ++i) {
    const std::string_view piece = vocabulary.texts[i];
    const int32_t type = vocabulary.types[i];
    if (type == kTypeControl || type == kTypeUnknown) {
      out.pieces.emplace_back();
    } else if (type == kTypeByte) {
      const auto byte = find_byte(piece);
      if (!byte) return corrupt(text("GGUF byte token ", i, " is ", quote(piece)));
      out.pieces.emplace_back(1, static_cast<char>(*byte));
      byte_tokens[*byte] = i;
    } else {
      out.pieces.push_back(with_plain_spaces(piece));
      // Of equal texts the first token wins.
      out.numbers.emplace(out.pieces.back(), i);
    }
  }
  if (std::ranges::count(byte_tokens, kNoToken) == 0) out.byte_tokens = std::move(byte_tokens);
  if (vocabulary.wants_begin_token.value_or(true)) out.begin_token = vocabulary.begin_token;
  QLOAD_TRY(const auto space, values.find_bool("tokenizer.ggml.add_space_prefix"));
  out.space_first = space.value_or(true);
  return TokenizerPointer(std::make_unique<ScoreTokenizer>(std::move(out)));
}

/// How a text is cut in words, by the name that llama.cpp gives it (llama-vocab.cpp).
struct WordCut {
  std::string_view name;
  std::vector<PieceStep> steps;
  bool prefers_whole_words = false;
  bool wants_begin_token = false;  // Where the header does not say.
};

Result<WordCut> read_word_cut(const GgufValues& values) {
  const WordCut kCuts[] = {
      {"gpt-2", {PieceStep::kCutByGpt2, PieceStep::kToByteLetters}},
      {"smollm", {PieceStep::kCutDigits, PieceStep::kCutByGpt2, PieceStep::kToByteLetters}},
      {"llama-bpe", {PieceStep::kCutByLlama3, PieceStep::kToByteLetters}, true, true},
      {"llama-v3", {PieceStep::kCutByLlama3, PieceStep::kToByteLetters}, true, true},
      {"llama3", {PieceStep::kCutByLlama3, PieceStep::kToByteLetters}, true, true},
  };
  QLOAD_TRY(const auto name, values.find_text("tokenizer.ggml.pre"));
  for (const WordCut& cut : kCuts) {
    if (name == cut.name) return cut;
  }
  return Error(ErrorCode::kUnsupported,
               text("GGUF vocabulary's words are cut by ",
                    name ? quote(*name) : "no named rule (\"tokenizer.ggml.pre\" is absent)",
                    ", this engine knows \"gpt-2\", \"smollm\" and \"llama-bpe\""));
}

Result<std::vector<MergeTexts>> read_merges(const GgufValues& values) {
  QLOAD_TRY(const auto lines, values.find_texts("tokenizer.ggml.merges"));
  std::vector<MergeTexts> merges;
  merges.reserve(lines.size());
  for (const std::string_view line : lines) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return corrupt(text("GGUF merge ", merges.size(), " is ", quote(line),
                          ", expected two texts with a space between them"));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

Result<TokenizerPointer> read_byte_level(const GgufValues& values,
                                         const GgufVocabulary& vocabulary) {
  QLOAD_TRY(WordCut cut, read_word_cut(values));
  QLOAD_TRY(const std::vector<MergeTexts> merges, read_merges(values));
  MergeVocabulary out;
  TokenNumbers numbers;
  std::vector<AddedToken> added;
  for (uint32_t i = 0; i < vocabulary.texts.size(); ++i) {
    const std::string piece(vocabulary.texts[i]);
    const int32_t type = vocabulary.types[i];
    const bool is_control = type == kTypeControl || type == kTypeUnknown;
    if (is_control || type == kTypeUserDefined) {
      out.pieces.push_back(is_control ? std::string() : piece);
      added.push_back({.text = piece, .token = i});
    } else {
      out.pieces.push_back(from_byte_letters(piece).value_or(piece));
    }
    if (const auto [same, is_new] = numbers.emplace(piece, i); !is_new) {
      return corrupt(text("GGUF tokens ", same->second, " and ", i, " are both ", quote(piece)));
    }
  }
  QLOAD_TRY(out.model, MergeModel::create(std::move(numbers), merges,
                                          {.prefers_whole_words = cut.prefers_whole_words}));
  QLOAD_TRY(out.plain_added, AddedTokens::create(std::move(added)));
  out.steps = std::move(cut.steps);
  if (vocabulary.begin_token && vocabulary.wants_begin_token.value_or(cut.wants_begin_token)) {
    out.first_tokens = {*vocabulary.begin_token};
  }
  return TokenizerPointer(std::make_unique<MergeTokenizer>(std::move(out)));
}

}  // namespace

Result<TokenizerPointer> read_tokenizer_gguf(const GgufValues& values, uint32_t vocabulary_size) {
  QLOAD_TRY(const auto model, values.find_text("tokenizer.ggml.model"));
  if (!model || *model == "none") return TokenizerPointer();
  const bool has_scores = *model == "llama";
  if (!has_scores && *model != "gpt2") {
    return Error(ErrorCode::kUnsupported, text("GGUF vocabulary is of kind ", quote(*model),
                                               ", this engine knows \"llama\" and \"gpt2\""));
  }
  if (!values.has(has_scores ? "tokenizer.ggml.scores" : "tokenizer.ggml.merges")) {
    return TokenizerPointer();
  }
  QLOAD_TRY(const GgufVocabulary vocabulary, read_vocabulary(values, vocabulary_size));
  return has_scores ? read_scores(values, vocabulary) : read_byte_level(values, vocabulary);
}

}  // namespace qload::qrun
