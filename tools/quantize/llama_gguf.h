// A Llama of transformers as GGUF has it: llama.cpp's names and keys, and rows of query and key in
// another order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "qload/result.h"
#include "tools/encode/gguf_header.h"
#include "tools/quantize/config_hints.h"
#include "tools/quantize/tensor_plan.h"

namespace qload::quantize {

/// What GGUF's keys say of a Llama.
struct LlamaFacts {
  uint32_t vocabulary = 0;
  uint32_t context = 0;
  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t feed_forward = 0;
  uint32_t heads = 0;
  uint32_t key_value_heads = 0;
  uint32_t head_size = 0;
  float norm_epsilon = 0;
  float rope_base = 10000;
  std::optional<uint32_t> begin_token;
  std::optional<uint32_t> end_token;
};

/// The facts of a configuration of a Llama, or nothing: of another model, with scaled or partial
/// rotation, or without a field. kCorrupt when it is no JSON object.
Result<std::optional<LlamaFacts>> read_llama_facts(const ConfigText& config);

/// Marks query and key matrices for interleaving. False, and nothing is changed, when the model has
/// a tensor that is no part of such a Llama, or one of a shape that contradicts `facts`.
bool plan_llama(const ModelSource& model, const LlamaFacts& facts, std::span<TensorPlan> plans);

/// Gives all tensors llama.cpp's names. REQUIRES: plan_llama.
void rename_llama(std::span<encode::OutputTensor> outputs);

void add_llama_keys(const LlamaFacts& facts, encode::GgufKeyValues& keys);

/// transformers rotates element i of a head with element i + half, llama.cpp neighbours: row
/// 2 i + k of each head of `rows` rows is row i + k half of `from`.
/// REQUIRES: whole heads, of an even number of rows; spans of one size.
void interleave_head_rows(uint64_t head_rows, uint64_t rows, std::span<const std::byte> from,
                          std::span<std::byte> to);

}  // namespace qload::quantize
