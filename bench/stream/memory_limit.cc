#include <CLI/CLI.hpp>
#include <cmath>

#include "bench/stream/stream_benchmark.h"
#include "format/base/format_text.h"

namespace qload::bench {

uint64_t MemoryLimit::of(uint64_t decoded_bytes) const {
  if (share == 0) return bytes;
  return static_cast<uint64_t>(std::llround(share * static_cast<double>(decoded_bytes)));
}

Result<MemoryLimit> parse_limit(std::string_view asked) {
  MemoryLimit limit{.text = std::string(asked)};
  const Error bad(ErrorCode::kInvalidArgument,
                  text("a memory limit is a share as 25% or bytes as 300M, not ", quote(asked)));
  if (asked.ends_with('%')) {
    double percent = 0;
    if (!CLI::detail::lexical_cast(std::string(asked.substr(0, asked.size() - 1)), percent) ||
        !(percent > 0) || !std::isfinite(percent)) {
      return bad;
    }
    limit.share = percent / 100;
    return limit;
  }
  // A minus would be read as a number near 2^64.
  if (asked.starts_with('-')) return bad;
  std::string bytes(asked);
  try {
    CLI::AsSizeValue(false)(bytes);
  } catch (const CLI::Error&) {
    return bad;
  }
  if (!CLI::detail::lexical_cast(bytes, limit.bytes) || limit.bytes == 0) return bad;
  return limit;
}

}  // namespace qload::bench
