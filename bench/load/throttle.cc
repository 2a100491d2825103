#include "bench/load/throttle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "bench/load/control_file.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/parallel.h"
#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr uint64_t kReadBytes = 1u << 20;
// The controller grants the bytes of one slice (0.1 s; blk-throttle.c, DFL_THROTL_SLICE) at once
// to a process that has been idle. Two and a half slices surely end in a wait.
constexpr double kDrainSeconds = 0.25;
constexpr double kProofSeconds = 1.0;
constexpr double kProofTolerance = 0.15;
constexpr int kProofAttemptsMax = 5;
constexpr uint64_t kDrainFileBytesMax = 64ull << 20;

std::string read_first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The process's group in the hierarchy: "7:blkio:/a" (version 1) or "0::/a" (version 2).
std::string own_group(bool version_2) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool match =
        version_2 ? controllers == ",," : controllers.find(",blkio,") != std::string::npos;
    if (match) return line.substr(second + 1);
  }
  return "/";
}

}  // namespace

IoController find_io_controller(std::string_view mountinfo) {
  IoController found;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // "31 29 0:35 / MOUNT options - TYPE source SUPER_OPTIONS"
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream left(line.substr(0, dash));
    std::istringstream right(line.substr(dash + 3));
    std::string skip, mount, type, source, options;
    left >> skip >> skip >> skip >> skip >> mount;
    right >> type >> source >> options;
    if (type == "cgroup" && ("," + options + ",").find(",blkio,") != std::string::npos) {
      return {.mount = mount, .version_2 = false};
    }
    if (type == "cgroup2" && found.mount.empty()) found = {.mount = mount, .version_2 = true};
  }
  return found;
}

Result<std::string> find_disk(const std::filesystem::path& path) {
  struct stat facts;
  if (stat(path.c_str(), &facts) != 0) {
    return error_from_errno(text("stat ", path.string()), errno);
  }
  const std::string number = text(major(facts.st_dev), ":", minor(facts.st_dev));
  const std::filesystem::path device = std::filesystem::path("/sys/dev/block") / number;
  std::error_code error;
  const std::filesystem::path place = std::filesystem::canonical(device, error);
  if (error) {
    return Error(ErrorCode::kUnsupported,
                 text(path.string(), " is on device ", number,
                      ", which is no block device: its reads cannot be throttled"));
  }
  if (!std::filesystem::exists(place / "partition", error)) return number;
  return read_first_line(place.parent_path() / "dev");
}

Result<std::unique_ptr<Throttle>> Throttle::create(const std::filesystem::path& scratch,
                                                   uint64_t bytes_per_second,
                                                   InterruptGuard& interrupts) {
  std::ifstream mountinfo("/proc/self/mountinfo");
  std::ostringstream mounts;
  mounts << mountinfo.rdbuf();
  const IoController controller = find_io_controller(mounts.str());
  if (controller.mount.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "no cgroup controller for block I/O is mounted: neither blkio nor cgroup2");
  }
  QLOAD_TRY(const std::string disk, find_disk(scratch));
  std::unique_ptr<Throttle> throttle(new Throttle(interrupts));
  QLOAD_CHECK(throttle->make_drain_file(scratch, bytes_per_second));
  QLOAD_CHECK(throttle->enter(controller, disk, bytes_per_second));
  QLOAD_CHECK(throttle->prove(bytes_per_second));
  return throttle;
}

Throttle::~Throttle() {
  interrupts_.remove(cleanup_id_);
  leave();
}

Status Throttle::enter(const IoController& controller, const std::string& disk, uint64_t rate) {
  io_max_ = text(disk, " rbps=", rate);
  const bool version_2 = controller.version_2;
  home_procs_ = controller.mount;
  home_procs_ += own_group(version_2);
  home_procs_ /= "cgroup.procs";
  if (version_2) {
    // Fails with EBUSY or EINVAL where the hierarchy does not own the io controller.
    QLOAD_CHECK(write_control(controller.mount / "cgroup.subtree_control", "+io"));
  }
  const std::filesystem::path group = controller.mount / text("qload_bench.", getpid());
  if (mkdir(group.c_str(), 0755) != 0) {
    return error_from_errno(text("mkdir ", group.string(), " (throttling needs root)"), errno);
  }
  group_ = group;
  cleanup_id_ = interrupts_.add([this] { leave(); });
  if (version_2) {
    QLOAD_CHECK(write_control(group_ / "io.max", io_max_));
  } else {
    QLOAD_CHECK(write_control(group_ / "blkio.throttle.read_bps_device", text(disk, " ", rate)));
  }
  description_ = text("cgroup ", version_2 ? "v2 io.max" : "v1 blkio", " on device ", disk);
  return write_control(group_ / "cgroup.procs", text(getpid()));
}

void Throttle::leave() {
  if (group_.empty()) return;
  if (!write_control(home_procs_, text(getpid())).ok()) {
    // The group it came from is gone; the root of the hierarchy takes everybody.
    (void)write_control(group_.parent_path() / "cgroup.procs", text(getpid()));
  }
  remove_group(group_);
  group_.clear();
}

Status Throttle::make_drain_file(const std::filesystem::path& scratch, uint64_t rate) {
  const std::filesystem::path path = scratch / "drain";
  const auto wanted = static_cast<uint64_t>(static_cast<double>(rate) * kDrainSeconds);
  drain_bytes_ = std::max(align_up(wanted, kReadBytes), 2 * kReadBytes);
  const uint64_t file_bytes = std::min(drain_bytes_, kDrainFileBytesMax);
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {}));
  const std::vector<std::byte> block(kReadBytes, std::byte{1});
  for (uint64_t offset = 0; offset < file_bytes; offset += block.size()) {
    QLOAD_CHECK(file.write_at(offset, block));
  }
  QLOAD_CHECK(file.commit());
  QLOAD_TRY(drain_file_, PlainFile::open(path));
  QLOAD_TRY(drain_direct_, DirectFile::open(drain_file_.descriptor()));
  // The descriptors keep it; the next throttle makes its own.
  std::error_code error;
  if (std::filesystem::remove(path, error)) return Ok{};
  return Error(ErrorCode::kIo, text("remove ", path.string(), ": ", error.message()));
}

// Returns the seconds it took.
Result<double> Throttle::read_for(uint64_t bytes) {
  QLOAD_TRY(const FreshMemory memory, FreshMemory::allocate(kReadBytes, false));
  const double start = now_seconds();
  for (uint64_t done = 0; done < bytes; done += kReadBytes) {
    const uint64_t offset = done % align_down(drain_file_.bytes(), kReadBytes);
    const ssize_t got = pread(drain_direct_.descriptor(), memory.bytes().data(), kReadBytes,
                              static_cast<off_t>(offset));
    if (got < 0 && errno != EINTR) return error_from_errno("read of the drain file", errno);
  }
  return now_seconds() - start;
}

Status Throttle::drain() {
  QLOAD_TRY([[maybe_unused]] const double seconds, read_for(drain_bytes_));
  return Ok{};
}

// A busy machine can keep one attempt from reaching the limit.
Status Throttle::prove(uint64_t rate) {
  const uint64_t bytes =
      align_up(static_cast<uint64_t>(static_cast<double>(rate) * kProofSeconds), kReadBytes);
  for (int attempt = 0; attempt < kProofAttemptsMax; ++attempt) {
    QLOAD_CHECK(drain());
    QLOAD_TRY(const double seconds, read_for(bytes));
    measured_rate_ = static_cast<double>(bytes) / seconds;
    const double ratio = measured_rate_ / static_cast<double>(rate);
    if (std::abs(ratio - 1) <= kProofTolerance) return Ok{};
  }
  return Error(ErrorCode::kIo, text("the throttle did not take effect: ", description_,
                                    " was set to ", rate, " bytes/s, and O_DIRECT reads at ",
                                    static_cast<uint64_t>(measured_rate_), " bytes/s"));
}

}  // namespace qload::bench
