// Numbers as people write and read them: sizes, rates, times, digests, shapes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qload/tensor.h"

namespace qload::tools {

/// "4096", "512K", "1M", "2G", "1T" (powers of 1024; a trailing "B" or "iB" is allowed), or
/// nothing when `text` is not a size or does not fit 64 bits.
std::optional<uint64_t> parse_size(std::string_view text);

/// "3", "0,2,5" or "0-3,8" as the numbers it lists, or nothing when `text` is no such list: an
/// empty part, a range that falls, a number from 2^18 on (no kernel has as many processors).
std::optional<std::vector<uint32_t>> parse_number_list(std::string_view text);

/// "0 B", "4.10 kB", "1.31 GB": powers of 1000, as storage is sold and rates are given.
std::string format_size(uint64_t bytes);
std::string format_rate(double bytes_per_second);  ///< "512 MB/s", "1.14 GB/s"
std::string format_seconds(double seconds);        ///< "0.482 s", "12.3 s", "2 min 05 s"
std::string format_fixed(double value, int decimals);
/// decoded / stored with three decimals; "-" when nothing is stored.
std::string format_ratio(uint64_t decoded_bytes, uint64_t stored_bytes);

/// "[50272, 2048]"
std::string format_shape(std::span<const uint64_t> shape);

/// 32 hexadecimal digits of an XXH3-128 digest; "none" for algorithm 0.
std::string format_digest(const Digest& digest);
/// What format_digest wrote, or nothing.
std::optional<Digest> parse_digest(std::string_view text);

/// A name from a file, safe for a terminal: what is not printable ASCII becomes \xNN.
std::string printable(std::string_view name);

}  // namespace qload::tools
