// Device profiles: the built-in ones, what a file may say, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/test_files.h"
#include "tools/profile/profile_json.h"

namespace qload::tools {
namespace {

using Json = nlohmann::ordered_json;

Json emmc() { return Json::parse(profile_json(*find_built_in_profile("emmc")).render()); }

std::string refusal(const std::string& text, ErrorCode code = ErrorCode::kCorrupt) {
  const auto profile = parse_profile(text);
  EXPECT_FALSE(profile.ok()) << text.substr(0, 200);
  if (profile.ok()) return "";
  EXPECT_EQ(profile.error().code(), code);
  return std::string(profile.error().message());
}

TEST(DeviceProfile, BuiltInOnesAreTold) {
  for (const char* name : {"mid", "sd", "emmc", "ufs31", "nvme3", "nvme4"}) {
    SCOPED_TRACE(name);
    const DeviceProfile* profile = find_built_in_profile(name);
    ASSERT_NE(profile, nullptr);
    EXPECT_FALSE(profile->description.empty());
    EXPECT_TRUE(check_device(profile->device).ok());
    EXPECT_TRUE(find_profile(name).ok());
  }
  EXPECT_EQ(find_built_in_profile("sd")->device.storage_bytes_per_second, 90e6);
  EXPECT_EQ(find_built_in_profile("emmc")->device.storage_bytes_per_second, 300e6);
  EXPECT_EQ(find_built_in_profile("floppy"), nullptr);
  EXPECT_NE(find_built_in_profile(kDefaultProfile), nullptr);
}

TEST(DeviceProfile, SurvivesItsOwnText) {
  for (const DeviceProfile& profile : built_in_profiles()) {
    SCOPED_TRACE(profile.name);
    const std::string text = profile_json(profile).render();
    const auto again = parse_profile(text);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->name, profile.name);
    EXPECT_EQ(profile_json(*again).render(), text);
    EXPECT_EQ(again->device.touch_rate, profile.device.touch_rate);
    EXPECT_EQ(again->device.decode_threads, profile.device.decode_threads);
  }
}

TEST(DeviceProfile, UnknownKeysAreIgnored) {
  Json json = emmc();
  json["measurements"] = {1, 2, 3};
  json["storage"]["colour"] = "red";
  json["name"] = 7;  // No name is no error.
  const auto profile = parse_profile(json.dump());
  ASSERT_TRUE(profile.ok()) << profile.error().message();
  EXPECT_EQ(profile->name, "");
}

// Every key by itself: missing, of another type, negative, zero, absurd.
TEST(DeviceProfile, EachKeyIsRequiredAndBounded) {
  const Json whole = emmc();
  for (const auto& [section, keys] : whole.items()) {
    if (!keys.is_object()) continue;
    Json without = whole;
    without.erase(section);
    EXPECT_NE(refusal(without.dump()).find("\"" + section + "\" is missing"), std::string::npos);
    without[section] = 5;
    EXPECT_NE(refusal(without.dump()).find("\"" + section + "\" is 5; expected an object"),
              std::string::npos);
    for (const auto& [key, value] : keys.items()) {
      const std::string path = "\"" + section + "." + key + "\"";
      SCOPED_TRACE(path);
      Json broken = whole;
      broken[section].erase(key);
      EXPECT_NE(refusal(broken.dump()).find(path + " is missing; expected a "), std::string::npos);
      for (const Json& bad : {Json(-1), Json(1e300), Json("fast"), Json(true), Json::array()}) {
        broken[section][key] = bad;
        const std::string message = refusal(broken.dump());
        EXPECT_NE(message.find(path + " is "), std::string::npos) << message;
        EXPECT_NE(message.find("; expected a"), std::string::npos) << message;
      }
      const bool may_be_zero = key.find("seconds") != std::string::npos && section != "decode" &&
                               key.find("bytes") == std::string::npos;
      broken[section][key] = 0;
      EXPECT_EQ(parse_profile(broken.dump()).ok(), may_be_zero);
    }
  }
}

TEST(DeviceProfile, NumbersThatAreNone) {
  std::string text = emmc().dump();
  const size_t at = text.find("300000000");
  ASSERT_NE(at, std::string::npos);
  const size_t end = text.find_first_of(",}", at);
  for (const char* bad : {"NaN", "nan", "Infinity", "-", "1e", "0x10", "1e999"}) {
    std::string broken = text;
    broken.replace(at, end - at, bad);
    EXPECT_EQ(refusal(broken), "is not JSON") << bad;
  }
  std::string broken = text;
  broken.replace(at, end - at, "null");
  EXPECT_NE(refusal(broken).find("\"storage.bytes_per_second\" is null"), std::string::npos);
  Json threads = emmc();
  threads["decode"]["threads"] = 2.5;
  EXPECT_NE(refusal(threads.dump()).find("a whole number from 1 to 1024"), std::string::npos);
  threads["decode"]["threads"] = 1025;
  EXPECT_NE(refusal(threads.dump()).find("is 1025"), std::string::npos);
}

TEST(DeviceProfile, WhatIsNotModelledMayBeNull) {
  Json json = emmc();
  json["memory_bytes_per_second"]["first_touch"] = nullptr;
  const auto profile = parse_profile(json.dump());
  ASSERT_TRUE(profile.ok()) << profile.error().message();
  EXPECT_TRUE(std::isinf(profile->device.touch_rate));
  json["decode_bytes_per_second"]["zstd"] = nullptr;
  EXPECT_NE(refusal(json.dump()).find("\"decode_bytes_per_second.zstd\" is null"),
            std::string::npos);
}

// A name stands in each row of a table.
TEST(DeviceProfile, NamesAreShort) {
  Json json = emmc();
  json["name"] = std::string(kProfileNameMax, 'n');
  EXPECT_TRUE(parse_profile(json.dump()).ok());
  json["name"] = std::string(kProfileNameMax + 1, 'n');
  EXPECT_EQ(refusal(json.dump()), "\"name\" is 33 characters long; expected at most 32");
  json["name"] = std::string(9, '\t');  // Shown as \x09.
  EXPECT_EQ(refusal(json.dump()), "\"name\" is 36 characters long; expected at most 32");
}

TEST(DeviceProfile, OtherTextIsNoProfile) {
  EXPECT_EQ(refusal(""), "is not JSON");
  EXPECT_EQ(refusal("{"), "is not JSON");
  EXPECT_EQ(refusal(std::string("\0\xff", 2)), "is not JSON");
  EXPECT_NE(refusal("[]").find("expected a JSON object"), std::string::npos);
  EXPECT_NE(refusal("{}").find("\"qload_device_profile\" is missing"), std::string::npos);
  EXPECT_NE(refusal("{\"qload_device_profile\": \"1\"}").find("is \"1\""), std::string::npos);
  EXPECT_NE(refusal("{\"qload_device_profile\": -1}").find("is -1"), std::string::npos);
  Json json = emmc();
  json["qload_device_profile"] = 2;
  EXPECT_NE(refusal(json.dump(), ErrorCode::kUnsupported).find("knows version 1"),
            std::string::npos);
  // Deep nesting is an error, or ignored; never the end of the program.
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  refusal(deep);
  json = emmc();
  std::string nested = json.dump();
  nested.insert(1, "\"x\":" + deep + ",");
  EXPECT_TRUE(parse_profile(nested).ok());
  EXPECT_NE(refusal(std::string(kProfileBytesMax + 1, ' ')).find("at most"), std::string::npos);
}

TEST(DeviceProfile, FilesAreFoundAndNamed) {
  test::TempDirectory directory;
  const std::string path = (directory / "mine.json").string();
  Json json = emmc();
  json["name"] = "";
  json["storage"]["bytes_per_second"] = 123e6;
  test::write_file(path, std::string_view(json.dump()));
  const auto profile = find_profile(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message();
  EXPECT_EQ(profile->name, "mine.json");
  EXPECT_EQ(profile->device.storage_bytes_per_second, 123e6);
  const std::string long_path = (directory / (std::string(60, 'p') + ".json")).string();
  test::write_file(long_path, std::string_view(json.dump()));
  const auto long_named = find_profile(long_path);
  ASSERT_TRUE(long_named.ok()) << long_named.error().message();
  EXPECT_EQ(long_named->name, std::string(kProfileNameMax, 'p'));
  const auto absent = find_profile("floppy");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(absent.error().message().find("nvme4"), std::string::npos);
  test::write_file(path, std::string_view("{}"));
  const auto broken = find_profile(path);
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(broken.error().message().find("mine.json"), std::string::npos);
  EXPECT_FALSE(find_profile(directory.path().string()).ok());
}

}  // namespace
}  // namespace qload::tools
