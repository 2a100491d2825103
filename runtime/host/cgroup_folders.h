// Where the control groups of this process are: the folders whose files hold its limits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qload {

/// One control group, as a folder.
struct CgroupFolder {
  std::string path;
  uint32_t version = 2;  ///< 1 or 2: which files are in it.
};

/// The groups that bind a process: its own first, then each one above it up to the top that can
/// be seen. Of both versions where both are mounted; a controller is in one of them only, and
/// the files of a controller that is not there are absent. Pure.
///
/// `membership` is /proc/self/cgroup, `mounts` is /proc/self/mountinfo, `controller` is "memory"
/// or "cpu", `root` is put before every path. A group outside of what is mounted (a container
/// sees a part of the tree) is replaced by the top of what is.
std::vector<CgroupFolder> parse_cgroup_folders(std::string_view membership, std::string_view mounts,
                                               std::string_view controller,
                                               const std::string& root);

/// The same for this process. `root` "" is the real system; tests have trees of their own.
std::vector<CgroupFolder> find_cgroup_folders(std::string_view controller,
                                              const std::string& root = "");

}  // namespace qload
