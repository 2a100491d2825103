// A program without exceptions and run-time types against the public C++ headers. Run with the
// directory that make_api_fixture filled.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "qload/loader.h"
#include "qload/model.h"

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this program shows that the headers need neither exceptions nor run-time types"
#endif

namespace {

void check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

template <class T>
T take(qload::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "failed: %s\n", std::string(result.error().message()).c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

std::vector<char> read_whole(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  check(file != nullptr, "open model.bin");
  std::vector<char> bytes(std::filesystem::file_size(path));
  check(std::fread(bytes.data(), 1, bytes.size(), file) == bytes.size(), "read model.bin");
  std::fclose(file);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  check(argc == 2, "one argument");
  const std::filesystem::path directory = argv[1];
  const std::vector<char> expected = read_whole(directory / "model.bin");
  const qload::Model model = take(qload::Model::open(directory / "model.qpk"));
  qload::Loader loader = take(qload::Loader::create());

  qload::LoadStatistics statistics;
  qload::LoadOptions options;
  uint64_t reported = 0;
  options.on_progress = [&reported](const qload::Progress& progress) {
    reported = progress.bytes_decoded;
  };
  options.statistics = &statistics;
  const qload::Weights weights = take(loader.load(model, options));
  size_t at = 0;
  for (const qload::TensorView& view : weights.tensors()) {
    check(view.data.size() == view.info->bytes, "size of a view");
    check(view.data.empty() || std::memcmp(view.data.data(), &expected[at], view.data.size()) == 0,
          "bytes of a tensor");
    at += view.data.size();
  }
  check(at == expected.size(), "bytes of all tensors");
  check(reported == at && statistics.bytes_decoded == at, "progress and statistics");
  check(statistics.engine != qload::IoBackend::kAuto, "engine");

  const qload::TensorInfo* info = model.find("embed.weight");
  check(info != nullptr, "find");
  std::vector<std::byte> memory(info->bytes);
  const qload::Destination destination = {info->name, memory};
  take(loader.load_into(model, {&destination, 1}));
  check(std::memcmp(memory.data(), expected.data(), memory.size()) == 0, "load_into");

  std::stop_source stop;
  stop.request_stop();
  options.stop = stop.get_token();
  const auto cancelled = loader.load(model, options);
  check(!cancelled.ok() && cancelled.error().code() == qload::ErrorCode::kCancelled, "cancel");
  const auto absent = qload::Model::open(directory / "absent.qpk");
  check(!absent.ok() && absent.error().code() == qload::ErrorCode::kNotFound, "absent");
  std::puts("ok");
  return 0;
}
