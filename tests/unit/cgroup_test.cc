// Control groups: which folders bind a process, and what their files leave to it.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/host/cgroup_folders.h"
#include "runtime/host/cgroup_limits.h"
#include "runtime/host/host_text.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::TempDirectory;

std::vector<std::string> paths(const std::vector<CgroupFolder>& folders) {
  std::vector<std::string> out;
  for (const CgroupFolder& folder : folders) {
    out.push_back(std::to_string(folder.version) + ":" + folder.path);
  }
  return out;
}
using Paths = std::vector<std::string>;

std::string mount(const std::string& root, const std::string& point, const std::string& tail) {
  return "32 31 0:29 " + root + " " + point + " rw,relatime shared:9 - " + tail + "\n";
}

TEST(HostText, ParsesDecimals) {
  EXPECT_EQ(parse_decimal("0"), 0u);
  EXPECT_EQ(parse_decimal(" 42\n"), 42u);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const char* text :
       {"", " ", "-1", "+1", "18446744073709551616", "1 2", "4x", "max", "0x1"}) {
    EXPECT_FALSE(parse_decimal(text)) << text;
  }
}

TEST(HostText, ReadsFilesAndNothingElse) {
  TempDirectory root;
  test::write_file(root / "file", std::string(10'000, 'x'));
  EXPECT_EQ(read_host_text(root / "file")->size(), 4096u);
  EXPECT_EQ(read_host_text(root / "file", 9'999)->size(), 9'999u);
  EXPECT_EQ(read_host_text(root / "file", 1u << 20)->size(), 10'000u);
  EXPECT_FALSE(read_host_text(root / "absent"));
  EXPECT_FALSE(read_host_text(root.path()));
  ASSERT_EQ(mkfifo((root / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(read_host_text(root / "pipe")) << "and must not wait for a writer";
}

TEST(CgroupFolders, OwnGroupFirstThenUp) {
  const std::string v2 = mount("/", "/sys/fs/cgroup", "cgroup2 cgroup2 rw");
  EXPECT_EQ(paths(parse_cgroup_folders("0::/a/b\n", v2, "memory", "")),
            (Paths{"2:/sys/fs/cgroup/a/b", "2:/sys/fs/cgroup/a", "2:/sys/fs/cgroup"}));
  EXPECT_EQ(paths(parse_cgroup_folders("0::/", v2, "memory", "/fake")),
            (Paths{"2:/fake/sys/fs/cgroup"}));
  const std::string v1 = mount("/", "/cg/memory", "cgroup cgroup rw,memory") +
                         mount("/", "/cg/cpu", "cgroup cgroup rw,cpu,cpuacct");
  const std::string membership = "4:memory:/m\n3:cpu,cpuacct:/c/d\n2:cpuset:/s\n";
  EXPECT_EQ(paths(parse_cgroup_folders(membership, v1, "memory", "")),
            (Paths{"1:/cg/memory/m", "1:/cg/memory"}));
  EXPECT_EQ(paths(parse_cgroup_folders(membership, v1, "cpu", "")),
            (Paths{"1:/cg/cpu/c/d", "1:/cg/cpu/c", "1:/cg/cpu"}));
  EXPECT_TRUE(parse_cgroup_folders(membership, v1, "cpuset", "").empty()) << "not mounted";
  EXPECT_EQ(paths(parse_cgroup_folders("0::/u\n4:memory:/m\n", v2 + v1, "memory", "")),
            (Paths{"2:/sys/fs/cgroup/u", "2:/sys/fs/cgroup", "1:/cg/memory/m", "1:/cg/memory"}));
}

// A container sees its own part of the tree mounted as if it were all.
TEST(CgroupFolders, PartsOfTheTree) {
  const std::string part = mount("/docker/1", "/sys/fs/cgroup", "cgroup2 cgroup2 rw");
  EXPECT_EQ(paths(parse_cgroup_folders("0::/docker/1/x", part, "memory", "")),
            (Paths{"2:/sys/fs/cgroup/x", "2:/sys/fs/cgroup"}));
  for (const char* elsewhere :
       {"0::/docker/1", "0::/docker/12", "0::/other", "0::/../../x", "0::/"}) {
    EXPECT_EQ(paths(parse_cgroup_folders(elsewhere, part, "memory", "")),
              (Paths{"2:/sys/fs/cgroup"}))
        << elsewhere;
  }
  const std::string two = part + mount("/", "/host", "cgroup2 cgroup2 rw");
  EXPECT_EQ(paths(parse_cgroup_folders("0::/other", two, "memory", "")),
            (Paths{"2:/host/other", "2:/host"}));
  EXPECT_EQ(paths(parse_cgroup_folders("0::/a\\b", mount("/", "/my\\040point", "cgroup2 none rw"),
                                       "memory", "")),
            (Paths{"2:/my point/a\\b", "2:/my point"}));
}

TEST(CgroupFolders, NonsenseIsNothing) {
  const std::string v2 = mount("/", "/sys/fs/cgroup", "cgroup2 cgroup2 rw");
  for (const char* membership :
       {"", "\n\n", "0", "0:", "0::", "0::x", "::/a", "9:memory", ":::::"}) {
    EXPECT_TRUE(parse_cgroup_folders(membership, v2, "memory", "").empty()) << membership;
  }
  for (const char* mounts : {"", "-", " - ", " - cgroup2", "1 2 3 - cgroup2 x rw", "a b c d"}) {
    EXPECT_TRUE(parse_cgroup_folders("0::/a", mounts, "memory", "").empty()) << mounts;
  }
  EXPECT_TRUE(find_cgroup_folders("memory", "/nowhere").empty());
}

TEST(CgroupMemory, ParsesLimits) {
  EXPECT_EQ(parse_memory_limit("0\n"), 0u);
  EXPECT_EQ(parse_memory_limit("1048576\n"), 1048576u);
  EXPECT_EQ(parse_memory_limit("4611686018427387903"), (uint64_t{1} << 62) - 1);
  for (const char* none : {"max\n", "4611686018427387904", "9223372036854771712",
                           "99999999999999999999", "", "-1", "12k"}) {
    EXPECT_FALSE(parse_memory_limit(none)) << none;
  }
}

TEST(CgroupMemory, ParsesReclaimableBytes) {
  const std::string v2 =
      "anon 1\nfile 2\ninactive_file 30\nactive_file 400\nshmem 5\nslab_reclaimable "
      "5000\nslab_unreclaimable 60000\n";
  EXPECT_EQ(parse_reclaimable_bytes(v2, 2), 5430u);
  EXPECT_EQ(parse_reclaimable_bytes(v2, 1), 0u);
  const std::string v1 =
      "inactive_file 1\nactive_file 2\ntotal_inactive_file 30\ntotal_active_file 4";
  EXPECT_EQ(parse_reclaimable_bytes(v1, 1), 34u);
  EXPECT_EQ(
      parse_reclaimable_bytes("inactive_file -5\nactive_file x\ninactive_file\nactive_file 7 8", 2),
      0u);
  EXPECT_EQ(parse_reclaimable_bytes("inactive_file 18446744073709551615\nactive_file 1", 2),
            UINT64_MAX);
  EXPECT_EQ(parse_reclaimable_bytes("", 2), 0u);
}

TEST(CgroupMemory, HeadroomNeverWraps) {
  EXPECT_EQ(memory_headroom(100, 60, 20), 60u);
  EXPECT_EQ(memory_headroom(100, 100, 0), 0u);
  EXPECT_EQ(memory_headroom(100, 500, 0), 0u);
  EXPECT_EQ(memory_headroom(100, 10, 50), 100u) << "page cache beyond the usage is no more than it";
  EXPECT_EQ(memory_headroom(0, UINT64_MAX, 0), 0u);
  EXPECT_EQ(memory_headroom(UINT64_MAX, 0, UINT64_MAX), UINT64_MAX);
}

class CgroupTree : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const auto full = root_.path() / path;
    std::filesystem::create_directories(full.parent_path());
    test::write_file(full, text);
  }
  std::optional<CgroupMemory> read() {
    return read_cgroup_memory(find_cgroup_folders("memory", root_.path()));
  }
  TempDirectory root_;
};

TEST_F(CgroupTree, TheSmallestHeadroomAlongThePathCounts) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("proc/self/mountinfo", mount("/", "/cg", "cgroup2 cgroup2 rw"));
  EXPECT_FALSE(read()) << "no files, no limit";
  write("cg/a/b/memory.max", "max\n");
  write("cg/a/b/memory.current", "500\n");
  EXPECT_FALSE(read());
  write("cg/a/memory.max", "1000\n");
  write("cg/a/memory.current", "700\n");
  write("cg/a/memory.stat", "inactive_file 100\nactive_file 50\n");
  ASSERT_TRUE(read());
  EXPECT_EQ(read()->headroom_bytes, 450u);
  EXPECT_EQ(read()->limit_bytes, 1000u);
  EXPECT_EQ(read()->folder, (root_ / "cg/a").string());
  write("cg/a/b/memory.max", "600");
  EXPECT_EQ(read()->headroom_bytes, 100u);
  EXPECT_EQ(read()->folder, (root_ / "cg/a/b").string());
  write("cg/a/b/memory.max", "\x01\xff garbage");
  write("cg/a/memory.current", "???");
  EXPECT_EQ(read()->headroom_bytes, 1000u) << "a limit stands without its usage";
  write("cg/a/memory.current", "99999");
  EXPECT_EQ(read()->headroom_bytes, 0u);
}

TEST_F(CgroupTree, Version1) {
  write("proc/self/cgroup", "7:blkio:/\n4:memory:/a\n");
  write("proc/self/mountinfo", mount("/", "/m", "cgroup cgroup rw,memory"));
  write("m/memory.limit_in_bytes", "9223372036854771712\n");
  write("m/memory.usage_in_bytes", "5");
  EXPECT_FALSE(read());
  write("m/a/memory.limit_in_bytes", "1000");
  write("m/a/memory.usage_in_bytes", "900");
  write("m/a/memory.stat", "inactive_file 7\ntotal_inactive_file 100\ntotal_active_file 200\n");
  EXPECT_EQ(read()->headroom_bytes, 400u);
  write("m/a/memory.kmem.usage_in_bytes", "250\n");
  EXPECT_EQ(read()->headroom_bytes, 650u) << "names and inodes of files can be had back";
}

// The real system: whatever it is, it is read without a complaint.
TEST(CgroupMemory, ThisProcess) {
  const auto folders = find_cgroup_folders("memory");
  for (const CgroupFolder& folder : folders) {
    EXPECT_TRUE(std::filesystem::is_directory(folder.path)) << folder.path;
  }
  const auto memory = read_cgroup_memory(folders);
  if (memory) {
    EXPECT_LE(memory->headroom_bytes, memory->limit_bytes);
  }
}

}  // namespace
}  // namespace qload
