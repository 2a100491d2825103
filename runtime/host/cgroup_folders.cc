#include "runtime/host/cgroup_folders.h"

#include <optional>

#include "runtime/host/host_text.h"

namespace qload {

namespace {

// Machines with thousands of containers have as many mounts: their own list may be long. A line
// that this cuts is not a mount of ours: the system's own come first.
constexpr size_t kMountsBytesMax = 1u << 20;
constexpr size_t kMembershipBytesMax = 64u << 10;

struct CgroupMount {
  std::string root;   // Of the hierarchy, what is mounted: "/" or a part of it.
  std::string point;  // Where.
};

bool list_has(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    if (take_until(list, ',') == wanted) return true;
  }
  return false;
}

/// "a\040b" is "a b": spaces, tabs, newlines and backslashes are written as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && text.size() - i > 3 && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      out.push_back(static_cast<char>(value));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

/// The group's path in the hierarchy of that version, or nothing.
std::optional<std::string> find_membership(std::string_view membership, std::string_view controller,
                                           uint32_t version) {
  while (!membership.empty()) {
    std::string_view line = take_until(membership, '\n');
    const std::string_view id = take_until(line, ':');
    const std::string_view controllers = take_until(line, ':');
    const bool found =
        version == 2 ? id == "0" && controllers.empty() : list_has(controllers, controller);
    if (found && !line.empty() && line[0] == '/') return std::string(line);
  }
  return std::nullopt;
}

/// "36 35 98:0 /root /point options tags... - type source options".
std::vector<CgroupMount> find_mounts(std::string_view mounts, std::string_view controller,
                                     uint32_t version) {
  std::vector<CgroupMount> found;
  while (!mounts.empty()) {
    std::string_view line = take_until(mounts, '\n');
    const size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view tail = line.substr(dash + 3);
    const std::string_view type = take_until(tail, ' ');
    take_until(tail, ' ');
    const bool right =
        version == 2 ? type == "cgroup2" : type == "cgroup" && list_has(trim(tail), controller);
    if (!right) continue;
    std::string_view head = line.substr(0, dash);
    for (int field = 0; field < 3; ++field) take_until(head, ' ');
    CgroupMount mount;
    mount.root = unescape(take_until(head, ' '));
    mount.point = unescape(take_until(head, ' '));
    if (!mount.root.empty() && !mount.point.empty()) found.push_back(std::move(mount));
  }
  return found;
}

/// The part of `group` below `mount_root`, "" for the root itself; nothing when it is not below.
std::optional<std::string> path_below(const std::string& group, const std::string& mount_root) {
  // A group above the namespace's own root reads "/../x": there is no such folder to see.
  if ((group + "/").find("/../") != std::string::npos) return std::nullopt;
  const std::string_view top = mount_root == "/" ? std::string_view() : mount_root;
  if (group.compare(0, top.size(), top) != 0) return std::nullopt;
  std::string below = group.substr(top.size());
  if (!below.empty() && below[0] != '/') return std::nullopt;
  while (!below.empty() && below.back() == '/') below.pop_back();
  return below;
}

void append_folders(std::vector<CgroupFolder>& folders, const std::string& top, std::string below,
                    uint32_t version) {
  while (!below.empty()) {
    folders.push_back({top + below, version});
    below.resize(below.rfind('/'));
  }
  folders.push_back({top, version});
}

}  // namespace

std::vector<CgroupFolder> parse_cgroup_folders(std::string_view membership, std::string_view mounts,
                                               std::string_view controller,
                                               const std::string& root) {
  std::vector<CgroupFolder> folders;
  for (const uint32_t version : {2u, 1u}) {
    const auto group = find_membership(membership, controller, version);
    const auto candidates = find_mounts(mounts, controller, version);
    if (!group || candidates.empty()) continue;
    const CgroupMount* mount = &candidates[0];
    std::string below;
    for (const CgroupMount& candidate : candidates) {
      const auto path = path_below(*group, candidate.root);
      if (!path) continue;
      mount = &candidate;
      below = *path;
      break;
    }
    append_folders(folders, root + mount->point, std::move(below), version);
  }
  return folders;
}

std::vector<CgroupFolder> find_cgroup_folders(std::string_view controller,
                                              const std::string& root) {
  const auto membership = read_host_text(root + "/proc/self/cgroup", kMembershipBytesMax);
  const auto mounts = read_host_text(root + "/proc/self/mountinfo", kMountsBytesMax);
  if (!membership || !mounts) return {};
  return parse_cgroup_folders(*membership, *mounts, controller, root);
}

}  // namespace qload
