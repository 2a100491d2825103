#include "tools/qrun/text/merge_tokenizer.h"

#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/text/piece_text.h"

namespace qload::qrun {

std::string TextForm::apply(std::string_view text) const {
  std::string out = to_space_signs ? with_space_signs(text) : std::string(text);
  if (space_sign_first && !out.empty()) out.insert(0, kSpaceSign);
  return out;
}

MergeTokenizer::MergeTokenizer(MergeVocabulary vocabulary)
    : Tokenizer(std::move(vocabulary.pieces), vocabulary.space_first),
      vocabulary_(std::move(vocabulary)) {}

uint64_t MergeTokenizer::memory_bytes() const {
  return Tokenizer::memory_bytes() + vocabulary_.model.merge_bytes();
}

Result<std::vector<uint32_t>> MergeTokenizer::encode(std::string_view input) const {
  if (const size_t at = find_not_utf8(input); at != std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument, text("the text is not UTF-8 from its byte ", at,
                                                   " on: ", quote(input.substr(at), 8)));
  }
  std::vector<uint32_t> tokens = vocabulary_.first_tokens;
  for (const TextPart& part : vocabulary_.plain_added.split(input)) {
    if (part.token != kNoToken) {
      tokens.push_back(part.token);
      continue;
    }
    QLOAD_CHECK(encode_plain(part, part.text.data() == input.data(), tokens));
  }
  tokens.insert(tokens.end(), vocabulary_.last_tokens.begin(), vocabulary_.last_tokens.end());
  return tokens;
}

Status MergeTokenizer::encode_plain(const TextPart& plain, bool at_start,
                                    std::vector<uint32_t>& tokens) const {
  const std::string formed = vocabulary_.form.apply(plain.text);
  for (const TextPart& part : vocabulary_.formed_added.split(formed)) {
    if (part.token != kNoToken) {
      tokens.push_back(part.token);
      continue;
    }
    const bool is_first = at_start && part.text.data() == formed.data();
    for (const std::string& piece :
         cut_pieces(std::string(part.text), is_first, vocabulary_.steps)) {
      QLOAD_CHECK(vocabulary_.model.encode(piece, tokens));
    }
  }
  return Ok{};
}

}  // namespace qload::qrun
