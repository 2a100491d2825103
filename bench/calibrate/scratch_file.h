// A file to read, of bytes that no storage can compress.
#pragma once

#include <cstdint>
#include <filesystem>

#include "qload/result.h"

namespace qload::bench {

/// Writes and syncs `path`: pseudo-random bytes, the same in every run. At most `bytes_max`, and at
/// most a quarter of the room on the disk; kNoSpace where that leaves less than 4 MiB. Returns its
/// size, a multiple of 4 MiB.
Result<uint64_t> write_scratch_file(const std::filesystem::path& path, uint64_t bytes_max);

}  // namespace qload::bench
