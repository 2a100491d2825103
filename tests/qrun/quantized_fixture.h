// What quantizers store beside the matrices of an INT8 model, added to a random Llama by hand.
#pragma once

#include <cstdint>

#include "tests/qrun/llama_fixture.h"

namespace qload::test {

// All of them change every matrix of a model in I8, the embedding too, keep its codes or clear
// them, and bring dense.weights to what file and scheme say then.

/// Divisors of inputs, "_smooth".
void add_smoothing(LlamaFixture& llama, uint64_t seed);
/// Scales of columns, [1, columns], in place of the scales that are there.
void use_column_scales(LlamaFixture& llama, uint64_t seed);
/// `count` columns as halves, "_outliers" and "_outlier_columns", of which the codes are 0.
void add_outlier_columns(LlamaFixture& llama, uint64_t count, uint64_t seed);

/// Weights of those columns are this many times larger than others.
inline constexpr float kOutlierWeight = 4;

}  // namespace qload::test
