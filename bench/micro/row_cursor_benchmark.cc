// qload_micro_rows [Google Benchmark's own options]
//
// Decoded bytes per second of weights kept packed, on one thread: rows through a cursor, against
// decode_chunk on the same stored bytes. /read: every row is read once after it was decoded, as a
// matrix-vector product would. Answers are checked before they are timed.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bench/micro/weight_data.h"
#include "format/base/checksum.h"
#include "format/chunk/chunk.h"
#include "format/container/container_writer.h"
#include "qload/packed.h"

namespace qload::bench {
namespace {

constexpr size_t kChunkBytes = 1u << 20;
constexpr uint64_t kRowBytes = 4096;
constexpr uint64_t kBufferKib[] = {4, 16, 32, 64, 128, 256, 1024};

struct Chunk {
  ChunkForm form;
  std::vector<std::byte> stored;
};

/// One kind of data, as chunks and kept packed.
struct Case {
  WeightData data;
  std::vector<Chunk> chunks;
  std::optional<Model> model;
  std::optional<PackedWeights> packed;

  const char* tensor() const { return data.name.c_str(); }
};

template <class T>
T take(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "qload_micro_rows: %s\n", std::string(result.error().message()).c_str());
  std::exit(1);
}

/// A container of one I8 tensor of rows of kRowBytes, whatever the bytes stand for.
void write_container(const std::filesystem::path& path, Case& one) {
  ContainerWriter writer = take(ContainerWriter::create(path, {.overwrite = true}));
  const std::span<const std::byte> bytes = one.data.bytes;
  writer.add_file({"weights", 1, bytes.size(), 0});
  writer.begin_group(kNoLayer, kNoLayer);
  TensorEntry entry;
  entry.name = one.data.name;
  entry.dtype = DType::kI8;
  entry.shape = {bytes.size() / kRowBytes, kRowBytes};
  entry.bytes = bytes.size();
  writer.begin_tensor(entry);
  EncodeContext context;
  const ChunkRecipe recipe{.filter = one.data.filter, .codec = CodecId::kLaneHuffman};
  for (size_t at = 0; at < bytes.size(); at += kChunkBytes) {
    const auto decoded = bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at));
    Chunk& chunk = one.chunks.emplace_back();
    chunk.form = encode_chunk(context, decoded, recipe, chunk.stored);
    take(writer.append_chunk(
        {chunk.form, chunk.stored, checksum64(chunk.stored), checksum64(decoded)}));
  }
  writer.end_tensor(digest_of(bytes));
  writer.begin_kept(0);
  writer.end_kept(digest_of({}));
  take(writer.finish());
}

uint64_t read_all(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    sum += word;
  }
  return sum;
}

void report(benchmark::State& state, const Case& one) {
  const auto bytes = static_cast<double>(one.data.bytes.size());
  state.counters["ratio"] = bytes / static_cast<double>(one.packed->stored_bytes());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(one.data.bytes.size()));
}

/// The whole tensor into memory of its size, chunk by chunk.
void chunk_benchmark(benchmark::State& state, const Case& one, bool reading) {
  DecodeContext context;
  std::vector<std::byte> decoded(one.data.bytes.size());
  uint64_t sum = 0;
  const auto decode_all = [&] {
    size_t at = 0;
    for (const Chunk& chunk : one.chunks) {
      const auto to = std::span(decoded).subspan(at, chunk.form.decoded_bytes);
      if (!decode_chunk(context, chunk.form, chunk.stored, to).ok()) return false;
      at += to.size();
    }
    if (reading) sum += read_all(decoded);
    return true;
  };
  if (!decode_all() || decoded != one.data.bytes) return state.SkipWithError("bytes differ");
  for (auto _ : state) {
    if (!decode_all()) return state.SkipWithError("a chunk does not decode");
    benchmark::ClobberMemory();
  }
  benchmark::DoNotOptimize(sum);
  report(state, one);
}

void cursor_benchmark(benchmark::State& state, const Case& one, uint64_t buffer_bytes,
                      bool reading) {
  RowCursor cursor = take(RowCursor::open(*one.packed, one.tensor(), {buffer_bytes}));
  uint64_t sum = 0;
  uint64_t rows = 0;
  const auto pass = [&](auto&& use) {
    if (!cursor.seek(0).ok()) return false;
    for (rows = 0; rows < cursor.rows();) {
      const auto view = cursor.next_rows(~uint64_t{0});
      if (!view.ok() || view->count == 0) return false;
      use(*view);
      rows += view->count;
    }
    return true;
  };
  bool same = true;
  const bool decoded = pass([&](const RowsView& view) {
    const auto expected = std::span(one.data.bytes).subspan(view.first_row * kRowBytes);
    same = same && std::equal(view.data.begin(), view.data.end(), expected.begin());
  });
  if (!decoded || !same) return state.SkipWithError("rows differ");
  for (auto _ : state) {
    const bool passed = pass([&](const RowsView& view) {
      if (reading) sum += read_all(view.data);
      benchmark::DoNotOptimize(view.data.data());
    });
    if (!passed) return state.SkipWithError("a row does not decode");
  }
  benchmark::DoNotOptimize(sum);
  report(state, one);
}

void register_case(const Case& one) {
  for (const bool reading : {false, true}) {
    const std::string suffix = "/" + one.data.name + (reading ? "/read" : "/decode");
    benchmark::RegisterBenchmark(("decode_chunk" + suffix).c_str(), [&one, reading](
                                                                        benchmark::State& state) {
      chunk_benchmark(state, one, reading);
    })->Unit(benchmark::kMillisecond);
    for (const uint64_t kib : kBufferKib) {
      benchmark::RegisterBenchmark(("next_rows" + suffix + "/" + std::to_string(kib) + "K").c_str(),
                                   [&one, reading, kib](benchmark::State& state) {
                                     cursor_benchmark(state, one, kib << 10, reading);
                                   })
          ->Unit(benchmark::kMillisecond);
    }
  }
}

/// The kinds that the default recipe codes, in a directory that is gone when this returns.
std::vector<Case> make_cases() {
  std::vector<Case> cases;
  std::string directory = (std::filesystem::temp_directory_path() / "qload_rows_XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) {
    std::fprintf(stderr, "qload_micro_rows: cannot make a directory\n");
    std::exit(1);
  }
  Loader loader = take(Loader::create({.decode_threads = 1}));
  for (WeightData& data : generated_weights()) {
    if (data.name != "int8_5.0" && data.name != "int8_channel_6.9" && data.name != "bf16") continue;
    Case& one = cases.emplace_back();
    one.data = std::move(data);
    const auto path = std::filesystem::path(directory) / "weights.qpk";
    write_container(path, one);
    one.model.emplace(take(Model::open(path)));
    one.packed.emplace(take(loader.load_packed(*one.model)));
  }
  std::filesystem::remove_all(directory);
  return cases;
}

}  // namespace
}  // namespace qload::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto cases = qload::bench::make_cases();
  for (const auto& one : cases) qload::bench::register_case(one);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
