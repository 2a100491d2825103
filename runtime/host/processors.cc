#include "runtime/host/processors.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/host/host_text.h"

namespace qload {

namespace {

// The largest mask asked for. Linux is built for up to 8192 processors; a larger number in a
// request cannot be right.
constexpr uint32_t kProcessorCountMax = 1u << 18;

// struct sched_attr as the kernel's ABI fixes it (include/uapi/linux/sched/types.h), its first
// version: glibc 2.36 does not name it.
struct SchedulerAttributes {
  uint32_t bytes;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};
static_assert(sizeof(SchedulerAttributes) == 48);

// The shortest slice that the scheduler grants (kernel/sched/syscalls.c: 0.1 to 100 ms).
constexpr uint64_t kShortTurnNanoseconds = 100'000;

/// A processor set of any size. Null when there is no memory for it.
class ProcessorSet {
 public:
  explicit ProcessorSet(uint32_t count) : set_(CPU_ALLOC(count)), bytes_(CPU_ALLOC_SIZE(count)) {
    if (set_ != nullptr) CPU_ZERO_S(bytes_, set_);
  }
  ~ProcessorSet() { CPU_FREE(set_); }
  ProcessorSet(const ProcessorSet&) = delete;
  ProcessorSet& operator=(const ProcessorSet&) = delete;

  bool allocated() const { return set_ != nullptr; }
  bool has(uint32_t processor) const { return CPU_ISSET_S(processor, bytes_, set_) != 0; }
  void add(uint32_t processor) { CPU_SET_S(processor, bytes_, set_); }
  bool read() { return sched_getaffinity(0, bytes_, set_) == 0; }
  void apply() const { (void)sched_setaffinity(0, bytes_, set_); }

 private:
  cpu_set_t* set_;
  size_t bytes_;
};

std::optional<uint32_t> quota_of(uint64_t quota, uint64_t period) {
  if (period == 0) return std::nullopt;
  const uint64_t processors = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<uint32_t>(std::clamp<uint64_t>(processors, 1, kProcessorCountMax));
}

/// Version 1 writes "no quota" as -1, which is no number here.
std::optional<uint32_t> read_quota(const CgroupFolder& folder) {
  if (folder.version != 1) {
    const auto text = read_host_text(folder.path + "/cpu.max");
    return text ? parse_cpu_max(*text) : std::nullopt;
  }
  const auto quota = read_host_text(folder.path + "/cpu.cfs_quota_us");
  const auto period = read_host_text(folder.path + "/cpu.cfs_period_us");
  if (!quota || !period) return std::nullopt;
  const auto quota_time = parse_decimal(*quota);
  const auto period_time = parse_decimal(*period);
  return quota_time && period_time ? quota_of(*quota_time, *period_time) : std::nullopt;
}

std::vector<uint32_t> read_capacities(const std::vector<uint32_t>& mask, const std::string& root) {
  std::vector<uint32_t> capacities;
  for (const uint32_t processor : mask) {
    const auto file =
        read_host_text(text(root, "/sys/devices/system/cpu/cpu", processor, "/cpu_capacity"));
    const auto capacity = file ? parse_decimal(*file) : std::nullopt;
    // One that is not told makes the others useless: how it compares is not known.
    if (!capacity || *capacity > UINT32_MAX) return {};
    capacities.push_back(static_cast<uint32_t>(*capacity));
  }
  return capacities;
}

/// Processors that threads may run on, and how fast each is.
struct Candidates {
  std::vector<uint32_t> processors;  // Ascending, each once.
  std::vector<uint32_t> capacities;  // Empty: equal.
};

Result<Candidates> choose_candidates(const ProcessorFacts& facts,
                                     std::span<const uint32_t> wanted) {
  if (wanted.empty()) return Candidates{facts.mask, facts.capacities};
  for (const uint32_t processor : wanted) {
    const bool known = processor < kProcessorCountMax;
    const bool allowed =
        facts.mask.empty() || std::binary_search(facts.mask.begin(), facts.mask.end(), processor);
    if (known && allowed) continue;
    return Error(ErrorCode::kInvalidArgument,
                 text("processor ", processor, " is not one of the ", facts.mask.size(),
                      " that this process may run on"));
  }
  Candidates candidates;
  candidates.processors.assign(wanted.begin(), wanted.end());
  std::sort(candidates.processors.begin(), candidates.processors.end());
  candidates.processors.erase(
      std::unique(candidates.processors.begin(), candidates.processors.end()),
      candidates.processors.end());
  if (facts.capacities.size() != facts.mask.size()) return candidates;
  for (const uint32_t processor : candidates.processors) {
    const auto at = std::lower_bound(facts.mask.begin(), facts.mask.end(), processor);
    candidates.capacities.push_back(facts.capacities[static_cast<size_t>(at - facts.mask.begin())]);
  }
  return candidates;
}

/// The fastest `count` of them and those that are as fast as the slowest of these, ascending.
std::vector<uint32_t> choose_fastest(const Candidates& from, size_t count) {
  std::vector<uint32_t> by_capacity = from.capacities;
  std::sort(by_capacity.begin(), by_capacity.end(), std::greater<>());
  const uint32_t capacity_min = by_capacity[count - 1];
  std::vector<uint32_t> fastest;
  for (size_t i = 0; i < from.processors.size(); ++i) {
    if (from.capacities[i] >= capacity_min) fastest.push_back(from.processors[i]);
  }
  return fastest;
}

}  // namespace

std::optional<uint32_t> parse_cpu_max(std::string_view text) {
  std::string_view rest = trim(text);
  const auto quota = parse_decimal(take_until(rest, ' '));
  const auto period = parse_decimal(rest);
  return quota && period ? quota_of(*quota, *period) : std::nullopt;
}

Result<ThreadPlacement> choose_placement(const ProcessorFacts& facts,
                                         const PlacementRequest& request) {
  QLOAD_TRY(const Candidates candidates, choose_candidates(facts, request.processors));
  const size_t processor_count = std::max<size_t>(candidates.processors.size(), 1);
  ThreadPlacement placement;
  placement.nice = request.nice;
  placement.thread_count = request.thread_count;
  if (placement.thread_count == 0) {
    placement.thread_count = static_cast<uint32_t>(processor_count);
    if (facts.quota && !request.ignore_cgroup) {
      placement.thread_count = std::min(placement.thread_count, std::max(*facts.quota, 1u));
    }
  }
  const bool known = candidates.capacities.size() == candidates.processors.size();
  if (known && placement.thread_count < processor_count) {
    auto fastest = choose_fastest(candidates, placement.thread_count);
    // All of them: processors are equal, or as good as.
    if (fastest.size() < processor_count) placement.processors = std::move(fastest);
  }
  if (placement.processors.empty() && !request.processors.empty()) {
    placement.processors = candidates.processors;
  }
  return placement;
}

// The kernel refuses (EINVAL) a set that is smaller than its own, whose size it does not tell.
std::vector<uint32_t> read_affinity() {
  for (uint32_t count = CPU_SETSIZE; count <= kProcessorCountMax; count *= 2) {
    ProcessorSet set(count);
    if (!set.allocated()) return {};
    if (!set.read()) {
      if (errno == EINVAL) continue;
      return {};
    }
    std::vector<uint32_t> mask;
    for (uint32_t processor = 0; processor < count; ++processor) {
      if (set.has(processor)) mask.push_back(processor);
    }
    return mask;
  }
  return {};
}

std::optional<uint32_t> read_cpu_quota(std::span<const CgroupFolder> folders) {
  std::optional<uint32_t> smallest;
  for (const CgroupFolder& folder : folders) {
    const auto quota = read_quota(folder);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  }
  return smallest;
}

ProcessorFacts read_processor_facts(std::vector<uint32_t> mask, bool ignore_cgroup,
                                    const std::string& root) {
  ProcessorFacts facts;
  facts.capacities = read_capacities(mask, root);
  facts.mask = std::move(mask);
  if (!ignore_cgroup) facts.quota = read_cpu_quota(find_cgroup_folders("cpu", root));
  return facts;
}

Result<ThreadPlacement> place_threads(const PlacementRequest& request) {
  return choose_placement(read_processor_facts(read_affinity(), request.ignore_cgroup), request);
}

void apply_placement(const ThreadPlacement& placement) {
  if (!placement.processors.empty()) {
    const uint32_t last =
        *std::max_element(placement.processors.begin(), placement.processors.end());
    ProcessorSet set(last + 1);
    if (set.allocated()) {
      for (const uint32_t processor : placement.processors) set.add(processor);
      set.apply();
    }
  }
  if (placement.nice == 0) return;
  // On Linux a thread has a niceness of its own. The kernel holds the sum to its range.
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  errno = 0;
  const int before = getpriority(PRIO_PROCESS, thread);
  if (before == -1 && errno != 0) return;
  (void)setpriority(PRIO_PROCESS, thread, before + placement.nice);
}

// The scheduler's slice of an ordinary thread (EEVDF) is its sched_runtime; a thread with a shorter
// one may interrupt those with longer ones when it wakes.
void ask_for_short_turns() {
#ifndef __ANDROID__  // Whose filter for applications kills on system calls it does not know.
  SchedulerAttributes attributes = {};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0u) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.bytes = sizeof attributes;
  attributes.runtime = kShortTurnNanoseconds;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0u);
#endif
}

}  // namespace qload
