// qload_micro_product: qrun's products on a matrix larger than every cache, against what reading
// the same bytes takes.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tools/encode/weight_encoding.h"
#include "tools/qrun/matrix_product.h"

namespace qload::bench {
namespace {

using encode::Encoding;
using qrun::Batch;
using qrun::Matrix;
using qrun::Product;
using qrun::RowKernels;
using qrun::ThreadTeam;

// As wide as a 7B model's; weights beyond any cache.
constexpr uint64_t kColumns = 4096;
constexpr uint64_t kMatrixBytes = 192u << 20;

struct RandomMatrix {
  explicit RandomMatrix(Encoding encoding) {
    matrix.dtype = encode::encoding_dtype(encoding);
    matrix.columns = kColumns;
    matrix.row_bytes = encode::encoded_row_bytes(encoding, kColumns);
    matrix.rows = kMatrixBytes / matrix.row_bytes;
    bytes.resize(matrix.rows * matrix.row_bytes);
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    // One random block of rows, again and again: the values do not matter to the time.
    constexpr uint64_t kDistinctRows = 64;
    std::vector<float> row(kColumns);
    for (uint64_t i = 0; i < matrix.rows; ++i) {
      std::byte* to = bytes.data() + i * matrix.row_bytes;
      if (i >= kDistinctRows) {
        std::memcpy(to, to - kDistinctRows * matrix.row_bytes, matrix.row_bytes);
        continue;
      }
      for (float& value : row) value = normal(random);
      encode::encode_row(encoding, row, 4.0f, {to, matrix.row_bytes});
    }
    matrix.data = bytes;
  }
  std::vector<std::byte> bytes;
  Matrix matrix;
};

void multiply_matrix(benchmark::State& state, Encoding encoding, const RowKernels* kernels) {
  const RandomMatrix random(encoding);
  ThreadTeam team(static_cast<uint32_t>(state.range(0)));
  const std::vector<float> x(kColumns, 0.5f);
  std::vector<float> out(random.matrix.rows);
  const Product product[] = {{random.matrix, {x.data(), 1, kColumns}, {out.data(), 1, out.size()}}};
  for (auto _ : state) {
    if (!multiply(team, *kernels, product).ok()) state.SkipWithError("the product failed");
  }
  // The first row again, in double, from the reference's numbers.
  float expected = 0;
  find_row_product(qrun::kRowScalar, random.matrix.dtype)(
      random.bytes.data(), random.matrix.row_bytes, 1, x.data(), kColumns, &expected);
  if (std::abs(expected - out[0]) > 0.01f * std::abs(expected) + 1) {
    state.SkipWithError("the product is wrong");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * random.bytes.size()));
}

/// INT8 inputs, in integers.
void multiply_integers(benchmark::State& state, const RowKernels* kernels) {
  const RandomMatrix random(Encoding::kInt8Tensor);
  ThreadTeam team(static_cast<uint32_t>(state.range(0)));
  const std::vector<int8_t> codes(kColumns, 64);
  const float scale = 1.0f / 128;
  std::vector<float> out(random.matrix.rows);
  const Product product[] = {{.matrix = random.matrix,
                              .out = {out.data(), 1, out.size()},
                              .quantized = {{codes.data(), 1, kColumns}, &scale}}};
  for (auto _ : state) {
    if (!multiply(team, *kernels, product).ok()) state.SkipWithError("the product failed");
  }
  int32_t expected = 0;
  qrun::kRowScalar.i8_integers(random.bytes.data(), random.matrix.row_bytes, 1, codes.data(),
                               kColumns, &expected);
  if (out[0] != static_cast<float>(expected) * scale) {
    state.SkipWithError("the product is wrong");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * random.bytes.size()));
}

/// A cache line that the compiler loads with the widest registers it may use.
using Line = uint64_t __attribute__((vector_size(64), aligned(8)));

/// The bound: every byte loaded once, by as many threads.
void read_memory(benchmark::State& state) {
  const std::vector<uint64_t> words(kMatrixBytes / sizeof(uint64_t), 3);
  ThreadTeam team(static_cast<uint32_t>(state.range(0)));
  const size_t share = words.size() / team.thread_count();
  for (auto _ : state) {
    team.run([&](uint32_t worker) {
      const uint64_t* from = words.data() + worker * share;
      Line sums[2] = {};
      for (size_t i = 0; i + 16 <= share; i += 16) {
        sums[0] += *reinterpret_cast<const Line*>(from + i);
        sums[1] += *reinterpret_cast<const Line*>(from + i + 8);
      }
      uint64_t sum = 0;
      for (size_t i = 0; i < 8; ++i) sum += sums[0][i] + sums[1][i];
      benchmark::DoNotOptimize(sum);
    });
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kMatrixBytes));
}

void copy_memory(benchmark::State& state) {
  const std::vector<std::byte> from(kMatrixBytes, std::byte{1});
  std::vector<std::byte> to(kMatrixBytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kMatrixBytes));
}

void register_benchmarks() {
  benchmark::RegisterBenchmark("read_memory", read_memory)->Arg(1)->Arg(2)->UseRealTime();
  benchmark::RegisterBenchmark("memcpy", copy_memory)->UseRealTime();
  for (const RowKernels* kernels : qrun::usable_row_kernels()) {
    for (const Encoding encoding : {Encoding::kInt8Tensor, Encoding::kBF16, Encoding::kF16,
                                    Encoding::kF32, Encoding::kQ8_0, Encoding::kQ4_0}) {
      const std::string name =
          "multiply/" + std::string(kernels->name) + "/" + std::string(encoding_name(encoding));
      benchmark::RegisterBenchmark(
          name.c_str(), [=](benchmark::State& state) { multiply_matrix(state, encoding, kernels); })
          ->Arg(1)
          ->Arg(2)
          ->UseRealTime();
    }
    const std::string name = "multiply/" + std::string(kernels->name) + "/int8_integers";
    benchmark::RegisterBenchmark(
        name.c_str(), [=](benchmark::State& state) { multiply_integers(state, kernels); })
        ->Arg(1)
        ->Arg(2)
        ->UseRealTime();
  }
}

}  // namespace
}  // namespace qload::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  qload::bench::register_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
