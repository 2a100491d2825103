// A tiny random Llama in every encoding and file format, with the values its bytes stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/encode/weight_encoding.h"

namespace qload::test {

/// The numbers of a Llama, and its weights as numbers: row-major, by their names in safetensors.
struct DenseLlama {
  uint32_t layers = 2;
  uint32_t hidden = 64;
  uint32_t feed_forward = 96;
  uint32_t heads = 4;
  uint32_t key_value_heads = 2;
  uint32_t head_size = 16;
  uint32_t vocabulary = 50;
  double epsilon = 1e-5;
  double rope_base = 10000;
  bool tied = false;
  std::map<std::string, std::vector<double>> weights;
};

/// One tensor of the model as it lies in a file.
struct EncodedTensor {
  std::string name;  ///< As in safetensors.
  std::string gguf_name;
  uint64_t rows = 0;  ///< 0 for a vector.
  uint64_t columns = 0;
  encode::Encoding encoding = encode::Encoding::kF32;
  std::vector<std::byte> bytes;
  std::vector<float> scales;  ///< Of I8: one, or one for each row; else as scale_shape says.
  std::vector<uint64_t> scale_shape;  ///< Empty: [scales.size()].
  /// What else quantization stores beside it, under its name and a suffix.
  struct Companion {
    std::string suffix;
    std::string dtype;
    std::vector<uint64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::vector<Companion> companions;
};

struct LlamaFixture {
  DenseLlama dense;
  std::vector<EncodedTensor> tensors;
};

/// Random weights in `encoding` (norms stay F32). dense.weights are what the bytes decode to.
LlamaFixture make_llama(encode::Encoding encoding, bool tied, uint64_t seed);

/// The fields of a config.json for it.
std::string config_json(const DenseLlama& dense);

/// As safetensors, with config_json in __metadata__ when `with_config`. REQUIRES: no ggml blocks.
std::vector<std::byte> as_safetensors(const LlamaFixture& llama, bool with_config = true);
/// As GGUF, with the rows of query and key permuted as llama.cpp's converter does. REQUIRES: no I8.
std::vector<std::byte> as_gguf(const LlamaFixture& llama);

}  // namespace qload::test
