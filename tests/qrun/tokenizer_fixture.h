// Small tokenizer.json files of the two forms that Llamas come with, to be changed by tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace qload::test {

/// An entry of "added_tokens" that is found in the text as given.
nlohmann::json added_token(const std::string& content, uint32_t token, bool special = true);

/// Byte-level, as GPT-2's: tokens 0 to 255 are the bytes' letters in the order of the bytes, then
/// come the texts that `merges` join, in their order. "#" stands for the letter of a space.
nlohmann::json byte_level_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges);

/// The pre_tokenizer of Llama 3's file.
nlohmann::json llama3_pre_tokenizer();

/// As Llama 2's: <unk>, <s>, </s>, the bytes as tokens 3 to 258, then `pieces`, then what `merges`
/// join, where that is new. "_" stands for U+2581. Every text begins with <s>.
nlohmann::json space_sign_tokenizer(const std::vector<std::string>& pieces,
                                    const std::vector<std::pair<std::string, std::string>>& merges);

}  // namespace qload::test
