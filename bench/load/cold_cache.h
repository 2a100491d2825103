// The page cache before a run: dropped and proven so, or filled.
#pragma once

#include <filesystem>
#include <span>

#include "qload/result.h"

namespace qload::bench {

/// How a cold run is prepared.
enum class ColdMethod {
  kAdvise,      ///< posix_fadvise(POSIX_FADV_DONTNEED) on the files, after fdatasync. No privilege.
  kDropCaches,  ///< Also /proc/sys/vm/drop_caches: inodes and everybody's pages. Root.
};

/// Drops the files' pages. kIo where the system refuses.
Status drop_cached(std::span<const std::filesystem::path> files, ColdMethod method);

/// Reads files that are not wholly in the page cache until they are.
Status fill_cache(std::span<const std::filesystem::path> files);

/// The share of the files' pages that are in the page cache, by mincore over all of them: 0 is
/// cold. The kernel tells the truth only to those who may write the file.
Result<double> cached_share(std::span<const std::filesystem::path> files);

}  // namespace qload::bench
