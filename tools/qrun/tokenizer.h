// Tokenizer: text to tokens and back, with the vocabulary of a GGUF or tokenizer.json file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/gguf_values.h"

namespace qload::qrun {

/// A vocabulary and its way of cutting a text. Immutable; any thread may use it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// `text` as tokens, with those before and after it that the vocabulary's file asks for. Maybe
  /// none. kUnsupported when a part of it has no token, kInvalidArgument for what is not UTF-8
  /// where the vocabulary needs that.
  virtual Result<std::vector<uint32_t>> encode(std::string_view text) const = 0;

  /// What `token` adds to a text: nothing for control tokens and for those that the vocabulary does
  /// not have, one byte for byte tokens.
  std::string decode(uint32_t token) const;
  /// All of them. The space that encode puts before a text is taken away.
  std::string decode(std::span<const uint32_t> tokens) const;

  /// About what it takes, rather more.
  virtual uint64_t memory_bytes() const;

 protected:
  /// `pieces` is what each token adds to a text.
  Tokenizer(std::vector<std::string> pieces, bool space_first)
      : pieces_(std::move(pieces)), space_first_(space_first) {}

 private:
  std::vector<std::string> pieces_;
  bool space_first_;
};

/// The vocabulary in a GGUF header: SentencePiece's with scores ("tokenizer.ggml.model" is "llama")
/// or a byte-level one with merges ("gpt2"). Null when the header has none. kUnsupported for other
/// kinds, and for byte-level ones that cut words ("tokenizer.ggml.pre") in a way unknown here.
/// kCorrupt when its arrays disagree with each other or with `vocabulary_size`.
Result<std::unique_ptr<const Tokenizer>> read_tokenizer_gguf(const GgufValues& values,
                                                             uint32_t vocabulary_size);

/// A Hugging Face tokenizer.json: byte-pair encoding with merges, byte-level or with
/// SentencePiece's spaces and bytes. kUnsupported, with its name, for whatever the file asks for
/// that is not done here exactly as the tokenizers library does it, and for tokens that are not
/// among the model's `vocabulary_size`. kCorrupt for what is no such file.
Result<std::unique_ptr<const Tokenizer>> read_tokenizer_json(std::string_view json,
                                                             uint32_t vocabulary_size);

}  // namespace qload::qrun
