#include "runtime/host/cgroup_limits.h"

#include <algorithm>

#include "format/base/checked.h"
#include "runtime/host/host_text.h"

namespace qload {

namespace {

// Version 1 writes "no limit" as the largest signed number cut to a page: 2^63 less 4 to 64 KiB.
// No machine has a quarter of that.
constexpr uint64_t kNoLimitBytes = uint64_t{1} << 62;

// memory.stat has some fifty lines; NUMA and zswap add more each year.
constexpr size_t kStatisticsBytesMax = 64u << 10;

struct FileNames {
  const char* limit;
  const char* usage;
};

FileNames file_names(uint32_t version) {
  if (version == 1) return {"/memory.limit_in_bytes", "/memory.usage_in_bytes"};
  return {"/memory.max", "/memory.current"};
}

// What the kernel keeps for a group of version 1, which does not tell what of it can be had back:
// all but a few MB of it are names and inodes of files, once a process has walked a tree of them,
// and counting that as used would refuse loads that fit.
uint64_t kernel_bytes(const CgroupFolder& folder) {
  if (folder.version != 1) return 0;
  const auto text = read_host_text(folder.path + "/memory.kmem.usage_in_bytes");
  const auto bytes = text ? parse_decimal(*text) : std::nullopt;
  return bytes.value_or(0);
}

}  // namespace

std::optional<uint64_t> parse_memory_limit(std::string_view text) {
  const auto bytes = parse_decimal(text);
  if (!bytes || *bytes >= kNoLimitBytes) return std::nullopt;
  return bytes;
}

uint64_t parse_reclaimable_bytes(std::string_view statistics, uint32_t version) {
  // Version 1 counts a group without those below it, and then with them.
  const std::string_view prefix = version == 1 ? "total_" : "";
  uint64_t reclaimable = 0;
  while (!statistics.empty()) {
    std::string_view line = take_until(statistics, '\n');
    std::string_view name = take_until(line, ' ');
    if (name.substr(0, prefix.size()) != prefix) continue;
    name.remove_prefix(prefix.size());
    const bool slab = version != 1 && name == "slab_reclaimable";
    if (name != "inactive_file" && name != "active_file" && !slab) continue;
    // Nothing, and not a guess, for what overflows: too little headroom is the safe side.
    const auto bytes = parse_decimal(line);
    const auto sum = bytes ? checked_add(reclaimable, *bytes) : std::nullopt;
    if (sum) reclaimable = *sum;
  }
  return reclaimable;
}

uint64_t memory_headroom(uint64_t limit_bytes, uint64_t used_bytes, uint64_t reclaimable_bytes) {
  const uint64_t bound = used_bytes - std::min(used_bytes, reclaimable_bytes);
  return limit_bytes - std::min(limit_bytes, bound);
}

std::optional<CgroupMemory> read_cgroup_memory(std::span<const CgroupFolder> folders) {
  std::optional<CgroupMemory> tightest;
  for (const CgroupFolder& folder : folders) {
    const FileNames names = file_names(folder.version);
    const auto limit_text = read_host_text(folder.path + names.limit);
    const auto limit = limit_text ? parse_memory_limit(*limit_text) : std::nullopt;
    if (!limit) continue;
    // A group without usage has used nothing: its limit still stands.
    const auto usage_text = read_host_text(folder.path + names.usage);
    const auto usage = usage_text ? parse_decimal(*usage_text) : std::nullopt;
    const auto statistics = read_host_text(folder.path + "/memory.stat", kStatisticsBytesMax);
    const uint64_t files = statistics ? parse_reclaimable_bytes(*statistics, folder.version) : 0;
    const uint64_t reclaimable = checked_add(files, kernel_bytes(folder)).value_or(files);
    const uint64_t headroom = memory_headroom(*limit, usage.value_or(0), reclaimable);
    if (tightest && tightest->headroom_bytes <= headroom) continue;
    tightest = CgroupMemory{*limit, headroom, folder.path};
  }
  return tightest;
}

}  // namespace qload
