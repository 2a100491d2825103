// What the figures were measured on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace qload::bench {

/// "unknown" where the system does not say.
struct Machine {
  std::string cpu;
  uint32_t processors = 0;  ///< That this process may use.
  std::string kernel;
  uint64_t memory_bytes = 0;
  uint64_t memory_available_bytes = 0;
  std::string file_system;  ///< Type and device of the model's file system.
  std::string read_ahead;   ///< Of that device, "128 KiB".
  std::string scheduler;    ///< Of that device.
  std::string huge_pages;   ///< Mode of transparent huge pages: "madvise".
  std::string governor;
  std::string memlock;  ///< RLIMIT_MEMLOCK.
  std::string virtualised;
  std::string compiler;
};

/// Describes this machine, and the storage that holds `path`.
Machine describe_machine(const std::filesystem::path& path);

/// Memory that this process could take now without swapping, page cache included, within its
/// control groups' limits. 0: the system does not say.
uint64_t available_memory_bytes();

}  // namespace qload::bench
