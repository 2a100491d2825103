// Tokenizer: text to tokens and back, with the vocabulary of a GGUF file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/gguf_values.h"

namespace qload::qrun {

/// The byte-pair vocabulary of SentencePiece, as llama.cpp keeps it ("tokenizer.ggml.model" is
/// "llama"): the pair of neighbours whose joined piece has the highest score is joined first, and a
/// character without a piece becomes its bytes. Immutable; any thread may use it.
class Tokenizer {
 public:
  /// Nothing when the header has no vocabulary with scores, or one of another kind. kCorrupt when
  /// its arrays disagree with each other or with `vocabulary_size`.
  static Result<std::optional<Tokenizer>> read_gguf(const GgufValues& values,
                                                    uint32_t vocabulary_size);

  /// `text` as tokens, begun with the begin token where the vocabulary asks for it. kUnsupported
  /// when a byte has no token.
  Result<std::vector<uint32_t>> encode(std::string_view text) const;

  /// What `token` adds to a text: nothing for control tokens, one byte for byte tokens.
  /// REQUIRES: token less than the vocabulary's size.
  std::string decode(uint32_t token) const;
  /// All of them. The space that encode puts before a text is taken away.
  std::string decode(std::span<const uint32_t> tokens) const;

 private:
  enum class Kind : uint8_t { kNormal, kControl, kByte };
  struct Piece {
    std::string text;  // With plain spaces.
    float score = 0;
    Kind kind = Kind::kNormal;
  };
  Status add_pieces(const std::vector<std::string_view>& texts, const std::vector<float>& scores,
                    const std::vector<int32_t>& types);
  void index_pieces();

  std::vector<Piece> pieces_;
  std::unordered_map<std::string, uint32_t> by_text_;  // Normal pieces.
  std::vector<uint32_t> byte_tokens_;                  // 256 of them, or none.
  std::optional<uint32_t> begin_token_;                // Where texts begin with it.
  bool space_first_ = true;
};

}  // namespace qload::qrun
