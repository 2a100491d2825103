#include "bench/micro/weight_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

namespace qload::bench {
namespace {

constexpr size_t kDataBytes = 8u << 20;

/// round(N(0, sigma)): its entropy is log2(sigma) + 2.05 bits.
WeightData int8_weights(const char* name, double sigma, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal(0.0, sigma);
  WeightData data{name, FilterId::kNone, std::vector<std::byte>(kDataBytes)};
  for (auto& byte : data.bytes) {
    const double value = std::clamp(std::nearbyint(normal(generator)), -127.0, 127.0);
    byte = static_cast<std::byte>(static_cast<int8_t>(value));
  }
  return data;
}

/// Values of rows of 2048 whose scales are log-normal, as trained layers have them.
WeightData f32_weights(const char* name, uint64_t seed) {
  constexpr size_t kRowElements = 2048;
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  WeightData data{name, FilterId::kBytePlanes4, std::vector<std::byte>(kDataBytes)};
  float scale = 0;
  for (size_t i = 0; i < kDataBytes / 4; ++i) {
    if (i % kRowElements == 0) scale = 0.02f * std::exp(0.3f * normal(generator));
    const float value = scale * normal(generator);
    std::memcpy(data.bytes.data() + 4 * i, &value, sizeof value);
  }
  return data;
}

WeightData bf16_weights(const char* name, uint64_t seed) {
  WeightData wide = f32_weights(name, seed);
  const WeightData more = f32_weights(name, seed + 1);
  wide.bytes.insert(wide.bytes.end(), more.bytes.begin(), more.bytes.end());
  WeightData data{name, FilterId::kBytePlanes2, std::vector<std::byte>(kDataBytes)};
  for (size_t i = 0; i < kDataBytes / 2; ++i) {
    std::memcpy(data.bytes.data() + 2 * i, wide.bytes.data() + 4 * i + 2, 2);
  }
  return data;
}

}  // namespace

std::vector<WeightData> generated_weights() {
  std::vector<WeightData> all;
  all.push_back(int8_weights("int8_4.2", 4.45, 1));
  all.push_back(int8_weights("int8_5.0", 7.74, 2));
  all.push_back(int8_weights("int8_5.5", 10.95, 3));
  all.push_back(int8_weights("int8_channel_6.9", 28.9, 4));
  all.push_back(bf16_weights("bf16", 5));
  all.push_back(f32_weights("f32", 7));
  all.push_back({"constant", FilterId::kNone, std::vector<std::byte>(kDataBytes, std::byte{7})});
  return all;
}

WeightData weights_of_file(const std::string& path) {
  constexpr uint64_t kFileBytesMax = 64u << 20;
  const std::filesystem::path file(path);
  WeightData data{file.filename().string(), FilterId::kNone, {}};
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return data;
  data.bytes.resize(std::min(kFileBytesMax, static_cast<uint64_t>(in.tellg())));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(data.bytes.data()),
          static_cast<std::streamsize>(data.bytes.size()));
  if (!in) data.bytes.clear();
  return data;
}

}  // namespace qload::bench
