// The small text files in which the kernel describes itself, and the numbers in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qload {

/// The first `bytes_max` bytes of the file at `path`, or nothing when it cannot be read. Never
/// waits: a pipe or a device in the file's place is nothing.
std::optional<std::string> read_host_text(const std::string& path, size_t bytes_max = 4096);

/// The number that `text` is, white space around it ignored. Nothing for a sign, for anything
/// else beside the digits, and for a number beyond 64 bits.
std::optional<uint64_t> parse_decimal(std::string_view text);

/// `text` without the white space around it.
std::string_view trim(std::string_view text);

/// Cuts the part before the first `separator` off the front of `text` and returns it; all of it
/// when there is no separator.
std::string_view take_until(std::string_view& text, char separator);

}  // namespace qload
