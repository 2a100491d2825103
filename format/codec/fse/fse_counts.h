// The counts of an fse table: how often each byte value stands in it, and their form in a header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "format/base/histogram.h"
#include "qload/result.h"

namespace qload {

/// A table has 2^table_log entries. 5 is the least whose spread step is odd; 13 the most whose
/// four longest codes fit one refill of a decoder (4 * 13 <= 56 bits). docs/format_fse.md.
inline constexpr uint32_t kFseTableLogMin = 5;
inline constexpr uint32_t kFseTableLogMax = 13;
inline constexpr uint32_t kFseTableEntriesMax = 1u << kFseTableLogMax;

/// Occurrences of each byte value in some data.
using FseHistogram = ByteCounts;
/// Table entries of each byte value; their sum is 2^table_log.
using FseCounts = std::array<uint16_t, 256>;

/// Shares out 2^table_log entries in proportion to `histogram`, at least one to each value that
/// occurs, by the method of Sainte-Laguë: next to optimal for entropy coding, in whole numbers
/// only. REQUIRES: a value occurs, and at most 2^table_log different ones do.
FseCounts normalise_counts(const FseHistogram& histogram, uint32_t table_log);

/// More than any counts take: 256 steps of 29 bits, each with 13 bits below the leading one.
inline constexpr size_t kFseCountsBytesMax = 1344;

/// The header form of counts.
struct FseCountsForm {
  std::array<std::byte, kFseCountsBytesMax> bytes = {};
  size_t size = 0;
};

/// REQUIRES: counts of a table of that log.
void write_counts(const FseCounts& counts, uint32_t table_log, FseCountsForm& form);

/// Reads counts from the front of `from` and returns how many bytes they took. kCorrupt when they
/// are not the counts of a table of that log. REQUIRES: a table log within its limits.
Result<size_t> read_counts(std::span<const std::byte> from, uint32_t table_log, FseCounts& counts);

}  // namespace qload
