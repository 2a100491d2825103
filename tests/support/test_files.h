// What every test needs: a directory of its own, files in it, seeded bytes, real models if here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qload::test {

/// A fresh directory, removed with all its contents when it goes out of scope.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Both fail the running test (and return nothing useful) on an I/O error.
std::vector<std::byte> read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Names in `directory`, sorted: to show that nothing was left behind.
std::vector<std::string> list_directory(const std::filesystem::path& directory);

/// The folder of real trained weights ($QLOAD_MODELS, else shared/models beside the checkout), or
/// nothing when it is not there: GTEST_SKIP() then, with kNoModels.
std::optional<std::filesystem::path> models_directory();
inline constexpr const char* kNoModels =
    "no real models here (set QLOAD_MODELS, or put shared/models beside the checkout)";

/// Uniform random bytes.
std::vector<std::byte> random_bytes(size_t count, uint64_t seed);
/// Bytes that look like INT8 tensor-wise weights: round(N(0, sigma)) clamped to [-127, 127].
std::vector<std::byte> gaussian_int8(size_t count, double sigma, uint64_t seed);
/// float values N(0, sigma) as raw F32 bytes, and the same cut to BF16.
std::vector<std::byte> gaussian_f32(size_t count, double sigma, uint64_t seed);
std::vector<std::byte> gaussian_bf16(size_t count, double sigma, uint64_t seed);

std::vector<std::byte> to_bytes(std::string_view text);

}  // namespace qload::test
