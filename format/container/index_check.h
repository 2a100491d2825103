// Proof of an index: from bytes to tables, and every rule of docs/format.md about them. A check
// that succeeds allocates nothing but what its comment names, so that opening stays cheap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/base/format_text.h"
#include "format/container/index_tables.h"
#include "qload/result.h"

namespace qload {

/// Source formats that version 1 knows: raw, safetensors, gguf, companion (docs/format.md,
/// "Source files").
inline constexpr uint16_t kSourceFormatCount = 4;
/// Of layout.h's SectionType: 1 to 9.
inline constexpr uint32_t kSectionTypeCount = 9;

/// Finds the tables in the index `bytes` at `index_offset` of the container: header, section
/// table, section checksums, padding. REQUIRES: bytes on an 8-byte boundary, as `new` gives.
Result<IndexTables> read_sections(std::span<const std::byte> bytes, uint64_t index_offset);

/// Every rule but the model digest. Allocates 4 bytes for each tensor and file, three times.
Status check_index(const IndexTables& tables, const Superblock& superblock);

/// The parts of check_index, in this order; each relies on those before it.
Status check_names(const IndexTables& tables);
Status check_sources(const IndexTables& tables);
Status check_chunks(const IndexTables& tables, const Superblock& superblock);
Status check_groups(const IndexTables& tables);

/// A digest record of `owner` (for the message): a known algorithm, unused bytes zero.
Status check_digest(const DigestRecord& digest, std::string_view owner, uint64_t number);

template <class... Pieces>
Error corrupt(const Pieces&... pieces) {
  return Error(ErrorCode::kCorrupt, text(pieces...));
}
template <class... Pieces>
Error unsupported(const Pieces&... pieces) {
  return Error(ErrorCode::kUnsupported, text(pieces...));
}

}  // namespace qload
