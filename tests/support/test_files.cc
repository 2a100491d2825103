#include "tests/support/test_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

namespace qload::test {

namespace fs = std::filesystem;

TempDirectory::TempDirectory() {
  std::string pattern = (fs::temp_directory_path() / "qload-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << pattern;
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::byte> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) {
    ADD_FAILURE() << "cannot open " << path;
    return {};
  }
  std::vector<std::byte> bytes(static_cast<size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(in.good() || bytes.empty()) << path;
  return bytes;
}

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.flush();
  EXPECT_TRUE(out.good()) << path;
}

void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

std::vector<std::string> list_directory(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<fs::path> models_directory() {
  fs::path candidate;
  if (const char* named = getenv("QLOAD_MODELS")) {
    candidate = named;
  } else {
    candidate = fs::path(QLOAD_SOURCE_DIRECTORY).parent_path() / "shared" / "models";
  }
  std::error_code ignored;
  if (!fs::is_directory(candidate, ignored)) return std::nullopt;
  return candidate;
}

std::vector<std::byte> random_bytes(size_t count, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; i += 8) {
    uint64_t word = generator();
    std::memcpy(bytes.data() + i, &word, std::min<size_t>(8, count - i));
  }
  return bytes;
}

std::vector<std::byte> gaussian_int8(size_t count, double sigma, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal(0.0, sigma);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) {
    double value = std::clamp(std::nearbyint(normal(generator)), -127.0, 127.0);
    byte = static_cast<std::byte>(static_cast<int8_t>(value));
  }
  return bytes;
}

std::vector<std::byte> gaussian_f32(size_t count, double sigma, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0.0f, static_cast<float>(sigma));
  std::vector<std::byte> bytes(count * 4);
  for (size_t i = 0; i < count; ++i) {
    float value = normal(generator);
    std::memcpy(bytes.data() + 4 * i, &value, 4);
  }
  return bytes;
}

std::vector<std::byte> gaussian_bf16(size_t count, double sigma, uint64_t seed) {
  auto wide = gaussian_f32(count, sigma, seed);
  std::vector<std::byte> bytes(count * 2);
  for (size_t i = 0; i < count; ++i) std::memcpy(bytes.data() + 2 * i, wide.data() + 4 * i + 2, 2);
  return bytes;
}

std::vector<std::byte> to_bytes(std::string_view text) {
  auto span = std::as_bytes(std::span(text.data(), text.size()));
  return {span.begin(), span.end()};
}

}  // namespace qload::test
