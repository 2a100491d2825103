// Runs a fuzz target without libFuzzer: every file given (or in a directory given), and seeded
// random changes of each. Usage: fuzz_NAME [--mutations=N] [--seed=N] PATH...
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

/// What runs now, for the report of a crash.
char g_current[512];

void report_crash(int signal_number) {
  // Only what a signal handler may call.
  [[maybe_unused]] ssize_t ignored = write(STDERR_FILENO, g_current, std::strlen(g_current));
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

size_t below(std::mt19937_64& random, size_t limit) { return random() % limit; }

/// Changes `bytes` in one of the ways in which files break.
void mutate(Bytes& bytes, std::mt19937_64& random) {
  constexpr uint64_t kExtremes[] = {0,         1,          0x7F,      0xFF,      0xFFFF,
                                    INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
  if (bytes.empty()) bytes.push_back(0);
  const size_t at = below(random, bytes.size());
  const size_t count = 1 + below(random, std::min<size_t>(16, bytes.size() - at));
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (below(random, 6)) {
    case 0:
      bytes[at] ^= static_cast<uint8_t>(1u << below(random, 8));
      break;
    case 1:
      bytes[at] = static_cast<uint8_t>(random());
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
      break;
    case 4: {
      Bytes copy(begin, begin + static_cast<std::ptrdiff_t>(count));
      const size_t to = below(random, bytes.size());
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(to), copy.begin(), copy.end());
      break;
    }
    default: {
      const uint64_t value = kExtremes[below(random, std::size(kExtremes))];
      const size_t width = size_t{1} << below(random, 4);
      std::memcpy(&bytes[at], &value, std::min(width, bytes.size() - at));
      break;
    }
  }
}

Bytes read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "cannot open %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The target gets an exact copy, so that a sanitizer sees every step past its end.
void run_one(const Bytes& bytes, const fs::path& path, uint64_t seed, uint64_t number) {
  std::snprintf(g_current, sizeof g_current, "crash: %s, seed %llu, mutation %llu\n", path.c_str(),
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(number));
  Bytes exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void run_file(const fs::path& path, uint64_t seed, uint64_t mutation_count) {
  const Bytes original = read_bytes(path);
  run_one(original, path, seed, 0);
  for (uint64_t number = 1; number <= mutation_count; ++number) {
    std::mt19937_64 random(seed * 1'000'003 + number);
    Bytes bytes = original;
    const size_t steps = 1 + below(random, 3);
    for (size_t step = 0; step < steps; ++step) mutate(bytes, random);
    run_one(bytes, path, seed, number);
  }
}

std::vector<fs::path> files_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGABRT, report_crash);
  uint64_t seed = 1;
  uint64_t mutation_count = 0;
  uint64_t file_count = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--mutations=")) {
      mutation_count = std::strtoull(argv[i] + std::strlen("--mutations="), nullptr, 10);
    } else if (argument.starts_with("--seed=")) {
      seed = std::strtoull(argv[i] + std::strlen("--seed="), nullptr, 10);
    } else {
      for (const fs::path& path : files_of(argv[i])) {
        run_file(path, seed, mutation_count);
        ++file_count;
      }
    }
  }
  std::printf("%llu files, each with %llu mutations, seed %llu\n",
              static_cast<unsigned long long>(file_count),
              static_cast<unsigned long long>(mutation_count),
              static_cast<unsigned long long>(seed));
  return file_count == 0 ? 2 : 0;  // A corpus that is not there is a failure.
}
