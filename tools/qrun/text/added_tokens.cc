#include "tools/qrun/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "format/base/format_text.h"
#include "tools/qrun/text/character.h"

namespace qload::qrun {
namespace {

/// Where the white space begins that stands before `end`, at `begin` or behind it.
size_t space_begin(std::string_view text, size_t begin, size_t end) {
  while (end > begin) {
    size_t last = end - 1;
    while ((static_cast<uint8_t>(text[last]) & 0xC0) == 0x80) --last;
    if (character_at(text, last).kind != CharacterKind::kSpace) break;
    end = last;
  }
  return end;
}

}  // namespace

Result<AddedTokens> AddedTokens::create(std::vector<AddedToken> tokens) {
  for (const AddedToken& token : tokens) {
    if (!token.text.empty() && find_not_utf8(token.text) == std::string_view::npos) continue;
    return Error(ErrorCode::kCorrupt, text("added token ", token.token, " is ", quote(token.text),
                                           ", expected UTF-8, not empty"));
  }
  // The tokenizers library lets the two overlap then, or fails.
  const auto takes_space = std::ranges::find(tokens, true, &AddedToken::takes_space_after);
  const auto is_space = std::ranges::find_if(tokens, [](const AddedToken& token) {
    return character_at(token.text, 0).kind == CharacterKind::kSpace;
  });
  if (takes_space != tokens.end() && is_space != tokens.end()) {
    return Error(ErrorCode::kUnsupported,
                 text("added token ", takes_space->token, " takes the white space after it, which ",
                      quote(is_space->text), " begins with"));
  }
  std::ranges::sort(tokens, {}, &AddedToken::text);
  const auto same = std::ranges::adjacent_find(tokens, {}, &AddedToken::text);
  if (same != tokens.end()) {
    return Error(ErrorCode::kUnsupported, text("added tokens ", same->token, " and ",
                                               (same + 1)->token, " are both ", quote(same->text)));
  }
  AddedTokens out;
  out.tokens_ = std::move(tokens);
  return out;
}

const AddedToken* AddedTokens::find_first(std::string_view text) const {
  const AddedToken* longest = nullptr;
  // [begin, end) are the tokens whose first `bytes` bytes are the text's.
  auto begin = tokens_.begin();
  auto end = tokens_.end();
  for (size_t bytes = 0; bytes < text.size() && begin != end; ++bytes) {
    const auto byte_of = [&](const AddedToken& token) {
      // Before all others where the token is no longer than what it shares with the text.
      return bytes < token.text.size() ? static_cast<uint8_t>(token.text[bytes]) : -1;
    };
    const int wanted = static_cast<uint8_t>(text[bytes]);
    begin = std::ranges::lower_bound(begin, end, wanted, {}, byte_of);
    end = std::ranges::upper_bound(begin, end, wanted, {}, byte_of);
    if (begin != end && begin->text.size() == bytes + 1) longest = &*begin;
  }
  return longest;
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t rest = 0;  // Where the text begins that is in no part yet.
  for (size_t at = 0; at < text.size();) {
    const AddedToken* found = find_first(text.substr(at));
    if (found == nullptr) {
      at += character_at(text, at).bytes;
      continue;
    }
    size_t begin = at;
    size_t end = at + found->text.size();
    at = end;
    if (found->takes_space_before) begin = space_begin(text, rest, begin);
    if (found->takes_space_after) end = run_end(text, end, CharacterKind::kSpace);
    if (rest < begin) parts.push_back({.text = text.substr(rest, begin - rest)});
    parts.push_back({.text = text.substr(begin, end - begin), .token = found->token});
    rest = end;
  }
  if (rest < text.size()) parts.push_back({.text = text.substr(rest)});
  return parts;
}

}  // namespace qload::qrun
