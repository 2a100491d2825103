// AddedTokens: tokens that are found in a text as they stand, before anything else is done to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/text/token_numbers.h"

namespace qload::qrun {

struct AddedToken {
  std::string text;
  uint32_t token = kNoToken;
  bool takes_space_before = false;  ///< White space on that side belongs to the token.
  bool takes_space_after = false;
};

/// A part of a text: an added token, or text between them.
struct TextPart {
  std::string_view text;
  uint32_t token = kNoToken;  ///< kNoToken: text.
};

/// Finds added tokens: the leftmost first, and of those that begin at one place the longest.
/// Immutable; any thread may use it.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// kCorrupt for a text that is empty or not UTF-8. kUnsupported for two tokens of the same text,
  /// and where one takes the white space after it and another begins with white space.
  static Result<AddedTokens> create(std::vector<AddedToken> tokens);

  /// `text` in parts, in order. REQUIRES: valid UTF-8.
  std::vector<TextPart> split(std::string_view text) const;

 private:
  /// The longest that `text` begins with; null when there is none.
  const AddedToken* find_first(std::string_view text) const;

  std::vector<AddedToken> tokens_;  // In the order of their texts.
};

}  // namespace qload::qrun
