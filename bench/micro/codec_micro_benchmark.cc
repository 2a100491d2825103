#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bench/micro/micro_benchmarks.h"
#include "format/chunk/chunk.h"

namespace qload::bench {
namespace {

constexpr size_t kChunkBytes[] = {256u << 10, 512u << 10, 1u << 20, 2u << 20};

struct Mode {
  const char* name;
  CodecParameters parameters;
};
constexpr Mode kZstdModes[] = {{"litonly", {.level = 1, .literals_only = true}},
                               {"level1", {.level = 1, .literals_only = false}},
                               {"level3", {.level = 3, .literals_only = false}}};
constexpr Mode kOnlyMode[] = {{"default", {}}};

struct Case {
  const WeightData* data;
  ChunkRecipe recipe;
  size_t chunk_bytes;

  size_t chunk_count() const { return (data->bytes.size() + chunk_bytes - 1) / chunk_bytes; }
  std::span<const std::byte> chunk(size_t index) const {
    const size_t first = index * chunk_bytes;
    return std::span(data->bytes).subspan(first, std::min(chunk_bytes, data->bytes.size() - first));
  }
};

struct Encoded {
  ChunkForm form;
  std::vector<std::byte> stored;
};

void report(benchmark::State& state, const Case& one, const std::vector<Encoded>& encoded) {
  size_t stored_bytes = 0;
  for (const Encoded& chunk : encoded) stored_bytes += chunk.stored.size();
  state.counters["ratio"] =
      static_cast<double>(one.data->bytes.size()) / static_cast<double>(stored_bytes);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(one.data->bytes.size()));
}

std::vector<Encoded> encode_all(const Case& one) {
  EncodeContext context;
  std::vector<Encoded> encoded(one.chunk_count());
  for (size_t i = 0; i < encoded.size(); ++i) {
    encoded[i].form = encode_chunk(context, one.chunk(i), one.recipe, encoded[i].stored);
  }
  return encoded;
}

/// False, with the reason, when a chunk does not decode.
bool decode_all(benchmark::State& state, DecodeContext& context, const Case& one,
                const std::vector<Encoded>& encoded, std::span<std::byte> decoded) {
  for (size_t i = 0; i < encoded.size(); ++i) {
    const auto to = decoded.subspan(i * one.chunk_bytes, encoded[i].form.decoded_bytes);
    const auto status = decode_chunk(context, encoded[i].form, encoded[i].stored, to);
    if (!status.ok()) {
      state.SkipWithError(std::string(status.error().message()).c_str());
      return false;
    }
  }
  return true;
}

void decode_benchmark(benchmark::State& state, const Case& one) {
  const auto encoded = encode_all(one);
  DecodeContext context;
  std::vector<std::byte> decoded(one.data->bytes.size());
  if (!decode_all(state, context, one, encoded, decoded)) return;
  if (decoded != one.data->bytes) return state.SkipWithError("decoded bytes differ");
  for (auto _ : state) {
    if (!decode_all(state, context, one, encoded, decoded)) return;
    benchmark::ClobberMemory();
  }
  report(state, one, encoded);
}

void encode_benchmark(benchmark::State& state, const Case& one) {
  const auto encoded = encode_all(one);
  EncodeContext context;
  std::vector<std::byte> stored;
  for (auto _ : state) {
    for (size_t i = 0; i < encoded.size(); ++i) {
      encode_chunk(context, one.chunk(i), one.recipe, stored);
      if (stored.size() != encoded[i].stored.size()) {
        return state.SkipWithError("encoding again gave another size");
      }
    }
  }
  report(state, one, encoded);
}

void register_case(const std::string& name, const Case& one) {
  benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode_benchmark, one)
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode_benchmark, one)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace

void register_codec_benchmarks(std::span<const WeightData> all_data) {
  for (const Codec& codec : all_codecs()) {
    const auto modes = codec.id == CodecId::kZstd ? std::span<const Mode>(kZstdModes)
                                                  : std::span<const Mode>(kOnlyMode);
    for (const WeightData& data : all_data) {
      if ((data.name == "constant") != (codec.id == CodecId::kConstant)) continue;
      for (const Mode& mode : modes) {
        for (size_t chunk_bytes : kChunkBytes) {
          const std::string name = std::string(codec.name) + "/" + mode.name + "/" + data.name +
                                   "/" + std::to_string(chunk_bytes >> 10) + "K";
          register_case(name, {&data, {data.filter, codec.id, mode.parameters}, chunk_bytes});
        }
      }
    }
  }
}

}  // namespace qload::bench
