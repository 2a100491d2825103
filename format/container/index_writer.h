// Tables to bytes: the index block and the seal of the superblock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "format/container/index_tables.h"
#include "format/container/layout.h"

namespace qload {

/// The index block for `tables`, to stand at `index_offset`: sections in order of their type.
std::vector<std::byte> write_index(const IndexTables& tables, uint64_t index_offset);

/// XXH3-64 of the superblock's bytes before its checksum.
uint64_t superblock_checksum(const Superblock& superblock);

}  // namespace qload
