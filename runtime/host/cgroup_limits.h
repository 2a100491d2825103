// How much memory the control groups of this process leave to it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/host/cgroup_folders.h"

namespace qload {

/// The group that leaves least.
struct CgroupMemory {
  uint64_t limit_bytes = 0;
  /// What can still be used before the kernel kills: page cache counts as free, for the kernel
  /// takes it back first. 0 when the group is at its limit.
  uint64_t headroom_bytes = 0;
  std::string folder;  ///< For messages.
};

/// Bytes that a limit file grants, or nothing for no limit: "max", numbers that stand for none
/// (from 2^62 on; version 1 has no other word for it), and text that is not a number.
std::optional<uint64_t> parse_memory_limit(std::string_view text);

/// Bytes of page cache in memory.stat that the kernel can take back: (total_)inactive_file and
/// (total_)active_file. Lines that mean nothing count as none.
uint64_t parse_reclaimable_bytes(std::string_view statistics, uint32_t version);

/// limit - (usage - reclaimable), at least 0 and at most the limit.
uint64_t memory_headroom(uint64_t limit_bytes, uint64_t used_bytes, uint64_t reclaimable_bytes);

/// What `folders` (of the memory controller) leave now, or nothing when none has a limit. Reads a
/// file per folder, and two more of each that has a limit.
std::optional<CgroupMemory> read_cgroup_memory(std::span<const CgroupFolder> folders);

}  // namespace qload
