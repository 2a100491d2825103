// Measured entropies of what was written, by kind of weight.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/encode/weight_encoding.h"
#include "tools/synth/architecture.h"

namespace qload::synth {

using encode::Encoding;

/// How often each symbol of one tensor occurs. Built in pieces by several threads, then merged.
struct ByteCounts {
  std::array<uint64_t, 256> bytes = {};      ///< Every byte of the tensor.
  std::array<uint64_t, 256> exponents = {};  ///< The 8-bit exponents of BF16 and F32.

  void count(Encoding encoding, std::span<const std::byte> encoded);
  void merge(const ByteCounts& other);
};

/// Tensors of one kind and encoding together. Entropies are means over tensors, by bytes.
struct KindEntropy {
  WeightKind kind = WeightKind::kBias;
  Encoding encoding = Encoding::kF32;
  uint64_t tensors = 0;
  uint64_t bytes = 0;
  double byte_bits = 0;
  double byte_bits_min = 0;
  double byte_bits_max = 0;
  double exponent_bits = 0;  ///< 0 for encodings without exponents.
};

/// One tensor's counts with what it is.
struct TensorCounts {
  WeightKind kind = WeightKind::kBias;
  Encoding encoding = Encoding::kF32;
  ByteCounts counts;
};

std::vector<KindEntropy> summarize_entropies(std::span<const TensorCounts> tensors);

}  // namespace qload::synth
