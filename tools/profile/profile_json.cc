#include "tools/profile/profile_json.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

using Json = nlohmann::json;

/// What a number may be. Outside these bounds no device of this century lies: such a number is a
/// mistake of units.
struct Range {
  double min;
  double max;
};
constexpr Range kStorageRates = {1e4, 1e13};
constexpr Range kRates = {1e5, 1e14};
constexpr Range kTimes = {0, 60};
constexpr Range kThreads = {1, 1024};
constexpr Range kShares = {0.01, 1};

enum class Kind : uint8_t { kNumber, kWhole, kFreeOrNumber };

std::string number_text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value);
  return buffer;
}

/// A value as a message shows it, at most a few words.
std::string found_text(const Json& value) {
  if (value.is_number()) return number_text(value.get<double>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return quote(value.get_ref<const std::string&>());
  return value.dump();  // true, false, null
}

/// Reads the keys of one object of the profile. The first error wins.
class Section {
 public:
  Section(const Json& root, const char* name, Status& status) : name_(name), status_(status) {
    const auto found = root.find(name);
    if (found != root.end() && found->is_object()) {
      object_ = &*found;
    } else {
      fail(name, found == root.end() ? "missing" : found_text(*found), "an object");
    }
  }

  void read(const char* key, Range range, double& value, Kind kind = Kind::kNumber) {
    if (object_ == nullptr) return;
    const std::string path = text(name_, ".", key);
    const auto found = object_->find(key);
    if (found == object_->end()) return fail(path, "missing", expected_text(range, kind));
    if (kind == Kind::kFreeOrNumber && found->is_null()) {
      value = kFreeRate;
      return;
    }
    const double number = found->is_number() ? found->get<double>() : std::nan("");
    const bool whole = kind != Kind::kWhole || number == std::floor(number);
    if (!(number >= range.min && number <= range.max) || !whole) {
      return fail(path, found_text(*found), expected_text(range, kind));
    }
    value = number;
  }

 private:
  static std::string expected_text(Range range, Kind kind) {
    return text(kind == Kind::kWhole ? "a whole number" : "a number", " from ",
                number_text(range.min), " to ", number_text(range.max),
                kind == Kind::kFreeOrNumber ? ", or null" : "");
  }
  void fail(const std::string& path, const std::string& found, const std::string& expected) {
    if (!status_.ok()) return;
    status_ =
        Error(ErrorCode::kCorrupt, text("\"", path, "\" is ", found, "; expected ", expected));
  }

  const char* name_;
  Status& status_;
  const Json* object_ = nullptr;
};

Status check_version(const Json& root) {
  if (!root.is_object()) {
    return Error(ErrorCode::kCorrupt, text("is ", found_text(root), "; expected a JSON object"));
  }
  const auto version = root.find("qload_device_profile");
  if (version == root.end() || !version->is_number_unsigned()) {
    return Error(ErrorCode::kCorrupt,
                 text("\"qload_device_profile\" is ",
                      version == root.end() ? "missing" : found_text(*version),
                      "; expected the version of a device profile, ", kProfileVersion));
  }
  if (version->get<uint64_t>() != kProfileVersion) {
    return Error(ErrorCode::kUnsupported,
                 text("\"qload_device_profile\" is ", version->get<uint64_t>(),
                      "; this build knows version ", kProfileVersion));
  }
  return Ok{};
}

std::string optional_text(const Json& root, const char* key) {
  const auto found = root.find(key);
  return found != root.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Status read_device(const Json& root, TargetDevice& device) {
  using enum Kind;
  Status status = Ok{};
  Section storage(root, "storage", status);
  storage.read("bytes_per_second", kStorageRates, device.storage_bytes_per_second);
  storage.read("latency_seconds", kTimes, device.storage_latency_seconds);
  Section decode(root, "decode", status);
  double threads = 1;
  decode.read("threads", kThreads, threads, kWhole);
  decode.read("thread_scaling", kShares, device.thread_scaling);
  Section rates(root, "decode_bytes_per_second", status);
  rates.read("store", kRates, device.store_rate);
  rates.read("lane_huffman", kRates, device.lane_huffman_rate);
  rates.read("zstd", kRates, device.zstd_rate);
  rates.read("fse", kRates, device.fse_rate);
  rates.read("merge_planes", kRates, device.planes_rate, kFreeOrNumber);
  rates.read("merge_blocks", kRates, device.blocks_rate, kFreeOrNumber);
  rates.read("checksum", kRates, device.checksum_rate, kFreeOrNumber);
  Section memory(root, "memory_bytes_per_second", status);
  memory.read("first_touch", kRates, device.touch_rate, kFreeOrNumber);
  memory.read("copy", kRates, device.copy_rate, kFreeOrNumber);
  memory.read("page_cache", kRates, device.page_cache_rate, kFreeOrNumber);
  Section load(root, "load", status);
  load.read("overhead_seconds", kTimes, device.overhead_seconds);
  device.decode_threads = static_cast<uint32_t>(threads);
  return status;
}

void set_rate(JsonReport& json, const char* key, double rate) {
  if (std::isinf(rate)) {
    json.set_null(key);
  } else {
    json.set(key, rate);
  }
}

}  // namespace

Result<DeviceProfile> parse_profile(std::string_view text_of_file) {
  if (text_of_file.size() > kProfileBytesMax) {
    return Error(ErrorCode::kCorrupt,
                 text("has ", text_of_file.size(), " bytes; a device profile has at most ",
                      kProfileBytesMax));
  }
  const Json root = Json::parse(text_of_file, nullptr, false);
  if (root.is_discarded()) return Error(ErrorCode::kCorrupt, "is not JSON");
  QLOAD_CHECK(check_version(root));
  DeviceProfile profile{optional_text(root, "name"), optional_text(root, "description"), {}};
  // As tables show it: what is not printable takes more room.
  if (const size_t length = printable(profile.name).size(); length > kProfileNameMax) {
    return Error(ErrorCode::kCorrupt, text("\"name\" is ", length,
                                           " characters long; expected at most ", kProfileNameMax));
  }
  QLOAD_CHECK(read_device(root, profile.device));
  QLOAD_CHECK(check_device(profile.device));
  return profile;
}

JsonReport profile_json(const DeviceProfile& profile) {
  const TargetDevice& device = profile.device;
  JsonReport json;
  json.set("qload_device_profile", kProfileVersion);
  json.set("name", profile.name);
  json.set("description", profile.description);
  JsonReport storage;
  storage.set("bytes_per_second", device.storage_bytes_per_second);
  storage.set("latency_seconds", device.storage_latency_seconds);
  json.set("storage", std::move(storage));
  JsonReport decode;
  decode.set("threads", device.decode_threads);
  decode.set("thread_scaling", device.thread_scaling);
  json.set("decode", std::move(decode));
  JsonReport rates;
  rates.set("store", device.store_rate);
  rates.set("lane_huffman", device.lane_huffman_rate);
  rates.set("zstd", device.zstd_rate);
  rates.set("fse", device.fse_rate);
  set_rate(rates, "merge_planes", device.planes_rate);
  set_rate(rates, "merge_blocks", device.blocks_rate);
  set_rate(rates, "checksum", device.checksum_rate);
  json.set("decode_bytes_per_second", std::move(rates));
  JsonReport memory;
  set_rate(memory, "first_touch", device.touch_rate);
  set_rate(memory, "copy", device.copy_rate);
  set_rate(memory, "page_cache", device.page_cache_rate);
  json.set("memory_bytes_per_second", std::move(memory));
  JsonReport load;
  load.set("overhead_seconds", device.overhead_seconds);
  json.set("load", std::move(load));
  return json;
}

}  // namespace qload::tools
