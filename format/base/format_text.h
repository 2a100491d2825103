// Building error messages: text("tensor ", name, " has ", count, " bytes").
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace qload {

inline void append_text(std::string& out, std::string_view piece) { out += piece; }
inline void append_text(std::string& out, char piece) { out += piece; }
template <std::integral T>
void append_text(std::string& out, T number) {
  out += std::to_string(number);
}

/// Joins strings and whole numbers into one string.
template <class... Pieces>
std::string text(const Pieces&... pieces) {
  std::string out;
  (append_text(out, pieces), ...);
  return out;
}

/// `bytes` of a file put in quotes for a message: printable ASCII kept, the rest as \xNN, at most
/// `length_max` characters of input, "..." after a cut.
std::string quote(std::string_view bytes, size_t length_max = 80);

/// Where `bytes` first stops being UTF-8 (RFC 3629), or std::string_view::npos.
size_t find_not_utf8(std::string_view bytes);

}  // namespace qload
