#include "bench/load/machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <algorithm>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "bench/load/parallel.h"
#include "bench/load/throttle.h"
#include "format/base/format_text.h"
#include "runtime/host/cgroup_limits.h"

namespace qload::bench {
namespace {

constexpr const char* kUnknown = "unknown";

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) && !line.empty() ? line : kUnknown;
}

// The value of the first line "KEY...: value" of a file of such lines.
std::string field(const std::filesystem::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? kUnknown : line.substr(value);
  }
  return kUnknown;
}

std::string cpu_name() {
  const std::filesystem::path info = "/proc/cpuinfo";
  if (std::string name = field(info, "model name"); name != kUnknown) return name;
  // aarch64 gives numbers instead of a name.
  const std::string part = field(info, "CPU part");
  return part == kUnknown ? kUnknown
                          : text("implementer ", field(info, "CPU implementer"), " part ", part);
}

uint64_t memory_field(std::string_view key) {
  const std::string value = field("/proc/meminfo", key);
  return value == kUnknown ? 0 : std::stoull(value) * 1024;
}

// "always [madvise] never" means madvise.
std::string chosen(const std::string& line) {
  const size_t open = line.find('[');
  const size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos) return line;
  return line.substr(open + 1, close - open - 1);
}

// The mount with the longest path above `path`.
std::string file_system_of(const std::filesystem::path& path) {
  std::error_code error;
  const std::string target = std::filesystem::canonical(path, error).string();
  std::ifstream mounts("/proc/self/mounts");
  std::string best = kUnknown;
  size_t best_length = 0;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, mount, type;
    fields >> device >> mount >> type;
    const bool above =
        target.starts_with(mount) &&
        (mount == "/" || target.size() == mount.size() || target[mount.size()] == '/');
    if (above && mount.size() >= best_length) {
      best = text(type, " on ", device);
      best_length = mount.size();
    }
  }
  return best;
}

std::string memlock_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return kUnknown;
  if (limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return text(limit.rlim_cur / 1024, " KiB");
}

}  // namespace

uint64_t available_memory_bytes() {
  const uint64_t available = memory_field("MemAvailable");
  const auto group = read_cgroup_memory(find_cgroup_folders("memory"));
  return group ? std::min(available, group->headroom_bytes) : available;
}

Machine describe_machine(const std::filesystem::path& path) {
  Machine machine;
  machine.cpu = cpu_name();
  machine.processors = available_processors();
  utsname name;
  machine.kernel = uname(&name) == 0
                       ? text(std::string_view(name.sysname), " ", std::string_view(name.release),
                              " ", std::string_view(name.machine))
                       : std::string(kUnknown);
  machine.memory_bytes = memory_field("MemTotal");
  machine.memory_available_bytes = available_memory_bytes();
  machine.file_system = file_system_of(path);
  machine.read_ahead = kUnknown;
  machine.scheduler = kUnknown;
  if (auto disk = find_disk(path)) {
    const std::filesystem::path queue = std::filesystem::path("/sys/dev/block") / *disk / "queue";
    machine.read_ahead = text(first_line(queue / "read_ahead_kb"), " KiB");
    machine.scheduler = chosen(first_line(queue / "scheduler"));
  }
  machine.huge_pages = chosen(first_line("/sys/kernel/mm/transparent_hugepage/enabled"));
  machine.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  machine.memlock = memlock_limit();
  const std::string flags = " " + field("/proc/cpuinfo", "flags") + " ";
  machine.virtualised = flags.find(" hypervisor ") != std::string::npos ? "yes" : kUnknown;
#if defined(__clang__)
  machine.compiler = "Clang " __clang_version__;
#else
  machine.compiler = "GCC " __VERSION__;
#endif
  return machine;
}

}  // namespace qload::bench
