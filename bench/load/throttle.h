// Slower storage by the kernel's block I/O controller.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "bench/load/bench_interrupt.h"
#include "bench/load/plain_file.h"
#include "qload/result.h"
#include "runtime/io/direct_io.h"

namespace qload::bench {

/// A mounted controller that can limit reads, found in /proc/self/mountinfo.
struct IoController {
  std::filesystem::path mount;
  bool version_2 = false;  ///< io.max, instead of blkio.throttle.read_bps_device.
};

/// The first usable controller of a mountinfo file's text: version 1's blkio, else version 2. The
/// result has an empty mount when there is none.
IoController find_io_controller(std::string_view mountinfo);

/// "major:minor" of the whole disk that holds `path`: a partition's parent, as limits are set on
/// disks. kUnsupported when no block device is below it (tmpfs, overlay, network).
Result<std::string> find_disk(const std::filesystem::path& path);

/// While it lives, this process reads from the disk below a path at no more than a given rate:
/// page cache misses, O_DIRECT and io_uring alike. Writes and cached reads are not limited. Its
/// cgroup is removed on destruction and on interruption. Root.
class Throttle {
 public:
  /// `scratch` lies on the file system to limit and receives a file to read for drain() and for the
  /// proof: kIo unless O_DIRECT reads come within 15 % of the limit.
  static Result<std::unique_ptr<Throttle>> create(const std::filesystem::path& scratch,
                                                  uint64_t bytes_per_second,
                                                  InterruptGuard& interrupts);
  ~Throttle();
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  /// Uses up what the kernel saves for a process that has been idle (a slice of 0.1 s), so that a
  /// timed run right after gets the limit and no more.
  Status drain();

  double measured_rate() const { return measured_rate_; }  ///< Bytes per second, as proven.
  const std::string& description() const { return description_; }
  /// Its limit as a line for io.max: for a group of version 2 that the process, or a child of it,
  /// joins instead of this one.
  const std::string& io_max() const { return io_max_; }

 private:
  explicit Throttle(InterruptGuard& interrupts) : interrupts_(interrupts) {}
  Status enter(const IoController& controller, const std::string& disk, uint64_t rate);
  Status make_drain_file(const std::filesystem::path& scratch, uint64_t rate);
  Result<double> read_for(uint64_t bytes);
  Status prove(uint64_t rate);
  void leave();

  InterruptGuard& interrupts_;
  uint64_t cleanup_id_ = 0;
  std::filesystem::path group_;       // Empty until created.
  std::filesystem::path home_procs_;  // Where the process came from.
  PlainFile drain_file_;
  DirectFile drain_direct_;
  uint64_t drain_bytes_ = 0;
  double measured_rate_ = 0;
  std::string description_;
  std::string io_max_;
};

}  // namespace qload::bench
