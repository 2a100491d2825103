// A file to read, of bytes that no storage can compress.
#pragma once

#include <cstdint>
#include <filesystem>

#include "qload/result.h"

namespace qload::bench {

/// The largest read of a sweep, so that no read is cut short by the end of a file.
inline constexpr uint64_t kScratchBytesMin = 4u << 20;

/// Writes and syncs `path`: pseudo-random bytes, the same in every run. At most `bytes_max`, and at
/// most a quarter of the room on the disk. Returns its size, a multiple of kScratchBytesMin;
/// kInvalidArgument where `bytes_max` is less than that, kNoSpace where the quarter is.
Result<uint64_t> write_scratch_file(const std::filesystem::path& path, uint64_t bytes_max);

}  // namespace qload::bench
