#include "tools/qrun/token_file.h"

#include <algorithm>
#include <charconv>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

constexpr uint64_t kFileBytesMax = 256u << 20;
constexpr std::string_view kSeparators = " \t\r,";

/// Takes what is before the first of `separators` off the front of `rest`, and the separator.
std::string_view take_until(std::string_view& rest, std::string_view separators) {
  const size_t end = std::min(rest.find_first_of(separators), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

Result<std::vector<uint32_t>> read_line(std::string_view line, uint64_t line_number) {
  std::vector<uint32_t> tokens;
  while (!line.empty()) {
    const std::string_view word = take_until(line, kSeparators);
    if (word.empty()) continue;
    uint32_t token = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (error != std::errc() || end != word.data() + word.size()) {
      return Error(ErrorCode::kCorrupt,
                   text("line ", line_number, " holds ", quote(word), ", expected token numbers"));
    }
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace

Result<TokenLists> read_token_lists(std::string_view text) {
  TokenLists lists;
  for (uint64_t line_number = 1; !text.empty(); ++line_number) {
    QLOAD_TRY(auto tokens, read_line(take_until(text, "\n"), line_number));
    if (!tokens.empty()) lists.push_back(std::move(tokens));
  }
  return lists;
}

Result<TokenLists> read_token_file(const std::filesystem::path& path) {
  QLOAD_TRY(const File file, File::open(path));
  if (file.bytes() > kFileBytesMax) {
    return Error(ErrorCode::kUnsupported, text(quote(path.string()), " has ", file.bytes(),
                                               " bytes, expected at most ", kFileBytesMax));
  }
  QLOAD_TRY(const std::vector<std::byte> bytes, file.read_vector(0, file.bytes()));
  auto lists = read_token_lists({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!lists.ok()) return lists.error().at(quote(path.string()));
  if (!lists->empty()) return lists;
  return Error(ErrorCode::kCorrupt, text(quote(path.string()), " holds no tokens"));
}

}  // namespace qload::qrun
