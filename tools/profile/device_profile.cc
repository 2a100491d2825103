#include "tools/profile/device_profile.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/profile/profile_json.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

// Processor rates are docs/performance.md's, rounded down ("Codecs", "Instructions, and processors
// that were not here"); what was not measured on ARM hardware is an estimate, and memory rates of
// devices that were not here are assumptions. docs/benchmarking.md, "Device profiles", says which.

/// Cortex-A55 class, 1.8 GHz: lane_huffman at 2.4 cycles a byte, zstd at 7 (5.3 to 14.6), fse at
/// 0.7 of zstd's rate as on x86.
constexpr TargetDevice small_cores(double storage_rate, double latency) {
  return {.storage_bytes_per_second = storage_rate,
          .storage_latency_seconds = latency,
          .decode_threads = 4,
          .thread_scaling = 0.8,
          .store_rate = 2e9,
          .lane_huffman_rate = 0.7e9,
          .zstd_rate = 0.2e9,
          .fse_rate = 0.15e9,
          .planes_rate = 2e9,
          .blocks_rate = 1e9,
          .checksum_rate = 3e9,
          .touch_rate = 1.5e9,
          .copy_rate = 3e9,
          .page_cache_rate = 2e9,
          .overhead_seconds = 0.01};
}

/// Cortex-A76 class, 2.4 GHz: lane_huffman at 1 cycle a byte, zstd at 2.5, fse at 0.7 of zstd's
/// rate.
constexpr TargetDevice large_cores() {
  return {.storage_bytes_per_second = 1.8e9,
          .storage_latency_seconds = 100e-6,
          .decode_threads = 4,
          .thread_scaling = 0.85,
          .store_rate = 8e9,
          .lane_huffman_rate = 2.4e9,
          .zstd_rate = 0.9e9,
          .fse_rate = 0.6e9,
          .planes_rate = 10e9,
          .blocks_rate = 5e9,
          .checksum_rate = 8e9,
          .touch_rate = 5e9,
          .copy_rate = 10e9,
          .page_cache_rate = 6e9,
          .overhead_seconds = 0.005};
}

/// Eight threads of a processor with AVX2, as measured with one and two.
constexpr TargetDevice desktop(double storage_rate) {
  return {.storage_bytes_per_second = storage_rate,
          .storage_latency_seconds = 80e-6,
          .decode_threads = 8,
          .thread_scaling = 0.8,
          .store_rate = 13e9,
          .lane_huffman_rate = 3e9,
          .zstd_rate = 1.4e9,
          .fse_rate = 1e9,
          .planes_rate = 20e9,
          .blocks_rate = 15e9,
          .checksum_rate = 15e9,
          .touch_rate = 10e9,
          .copy_rate = 12e9,
          .page_cache_rate = 12e9,
          .overhead_seconds = 0.003};
}

}  // namespace

std::span<const DeviceProfile> built_in_profiles() {
  static const std::array profiles = {
      DeviceProfile{"mid", "1 GB/s and four threads: what qpack pack aims at by default",
                    mid_device()},
      DeviceProfile{"sd", "an SD card (UHS-I) at 90 MB/s, four small cores",
                    small_cores(90e6, 800e-6)},
      DeviceProfile{"emmc", "eMMC 5.1 at 300 MB/s, four small cores", small_cores(300e6, 300e-6)},
      DeviceProfile{"ufs31", "UFS 3.1 at 1.8 GB/s, four large phone cores", large_cores()},
      DeviceProfile{"nvme3", "NVMe on four lanes of PCIe 3 at 3.2 GB/s, eight threads with AVX2",
                    desktop(3.2e9)},
      DeviceProfile{"nvme4", "NVMe on four lanes of PCIe 4 at 6.5 GB/s, eight threads with AVX2",
                    desktop(6.5e9)},
  };
  return profiles;
}

const DeviceProfile* find_built_in_profile(std::string_view name) {
  const auto all = built_in_profiles();
  const auto found = std::ranges::find(all, name, &DeviceProfile::name);
  return found == all.end() ? nullptr : &*found;
}

Result<DeviceProfile> find_profile(const std::string& name_or_path) {
  if (const DeviceProfile* profile = find_built_in_profile(name_or_path)) return *profile;
  auto file = File::open(name_or_path);
  if (!file.ok() && file.error().code() == ErrorCode::kNotFound) {
    std::string names;
    for (const DeviceProfile& profile : built_in_profiles()) names += text(" ", profile.name);
    return Error(ErrorCode::kNotFound,
                 text(quote(name_or_path), " is neither a file nor a target:", names));
  }
  if (!file.ok()) return file.error();
  if (file->bytes() > kProfileBytesMax) {
    return Error(ErrorCode::kCorrupt,
                 text(quote(name_or_path), ": has ", file->bytes(),
                      " bytes; a device profile has at most ", kProfileBytesMax));
  }
  QLOAD_TRY(const std::vector<std::byte> bytes, file->read_vector(0, file->bytes()));
  auto profile = parse_profile({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!profile.ok()) return profile.error().at(quote(name_or_path));
  if (profile->name.empty()) {
    const std::string file_name = std::filesystem::path(name_or_path).filename().string();
    profile->name = printable(file_name).substr(0, kProfileNameMax);
  }
  return profile;
}

}  // namespace qload::tools
