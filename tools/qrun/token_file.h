// Token lists in text files: what scores are computed on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "qload/result.h"

namespace qload::qrun {

/// Sequences of tokens.
using TokenLists = std::vector<std::vector<uint32_t>>;

/// Reads numbers separated by spaces or commas; each line is a sequence, empty lines are skipped.
/// kCorrupt names line and word when one is no token number.
Result<TokenLists> read_token_lists(std::string_view text);

/// The same from a file of at most 256 MiB; errors name it. kCorrupt when it holds no sequence.
Result<TokenLists> read_token_file(const std::filesystem::path& path);

}  // namespace qload::qrun
