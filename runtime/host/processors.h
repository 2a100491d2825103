// How many threads decode, on which processors, and how nicely.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "runtime/host/cgroup_folders.h"

namespace qload {

/// What the system lets this process use.
struct ProcessorFacts {
  std::vector<uint32_t> mask;        ///< Processors it may run on, ascending; empty: unknown.
  std::optional<uint32_t> quota;     ///< Processors' worth of time, rounded up; nothing: no quota.
  std::vector<uint32_t> capacities;  ///< Of each in `mask`; empty: equal, or unknown.
};

struct PlacementRequest {
  uint32_t thread_count = 0;                  ///< 0: as many as the process can keep busy.
  std::span<const uint32_t> processors = {};  ///< The caller's choice; empty: any of the mask.
  int32_t nice = 0;                           ///< Added to the threads' own.
  bool ignore_cgroup = false;                 ///< Let the quota be.
};

struct ThreadPlacement {
  uint32_t thread_count = 1;
  std::vector<uint32_t> processors;  ///< All threads may run on each of them. Empty: not bound.
  int32_t nice = 0;
};

/// Processors of time per period, rounded up, from cpu.max ("200000 100000"), or nothing: "max",
/// a period of 0, text that is no such pair.
std::optional<uint32_t> parse_cpu_max(std::string_view text);

/// Decides. The default is a thread for each processor, but no more than the quota gives time to.
/// Where processors differ and threads are fewer than they, the threads are bound to the fastest
/// so many, and to all that are as fast as the slowest of those: the set, so that the scheduler
/// can still move a thread away from other work. Elsewhere nothing is bound that the caller did not
/// ask for. kInvalidArgument names the first processor that is not in the mask. Pure.
Result<ThreadPlacement> choose_placement(const ProcessorFacts& facts,
                                         const PlacementRequest& request);

/// Processors in the calling thread's affinity mask, ascending, on a machine of any size; empty
/// when the kernel does not tell.
std::vector<uint32_t> read_affinity();

/// The smallest quota along `folders` (of the cpu controller), or nothing.
std::optional<uint32_t> read_cpu_quota(std::span<const CgroupFolder> folders);

/// Facts about the processors of `mask`, quota and capacities from the files under `root`.
ProcessorFacts read_processor_facts(std::vector<uint32_t> mask, bool ignore_cgroup,
                                    const std::string& root = "");

/// choose_placement with the facts of this process.
Result<ThreadPlacement> place_threads(const PlacementRequest& request);

/// Binds the calling thread and adds to its niceness. A refusal by the kernel (processors that went
/// offline, a niceness that needs privilege) is harmless and ignored.
void apply_placement(const ThreadPlacement& placement);

/// Asks the scheduler to run the calling thread soon whenever it has something to do, for the price
/// of short turns (Linux 6.12; ignored before): for a thread that only hands work on. Needs no
/// privilege and takes nothing from others in sum.
void ask_for_short_turns();

}  // namespace qload
