// Where everything goes in the file to be written: header bytes and a place for each weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "qload/result.h"
#include "tools/encode/weight_encoding.h"
#include "tools/synth/architecture.h"

namespace qload::synth {

using encode::Encoding;

/// A weight with its encoding and its place in the file.
struct PlacedWeight {
  WeightSpec spec;
  Encoding encoding = Encoding::kF32;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t scale_offset = 0;  ///< Of its F32 scales; only when has_scales(encoding).
};

/// A file before its values: `header` at offset 0, the weights at theirs, zeros between.
struct SynthLayout {
  std::vector<std::byte> header;
  std::vector<PlacedWeight> weights;
  uint64_t file_bytes = 0;
};

/// The encoding of one weight under `scheme`: vectors (norms, biases) stay F32, but share the
/// type of a BF16 or F16 model in safetensors.
Encoding encoding_of(const WeightSpec& spec, Encoding scheme, bool gguf);

/// F32 tensors before the narrower ones, each by name, as the safetensors library writes them;
/// INT8 scales as `<name>_scale`; the configuration of a Llama as "config" in __metadata__, so that
/// an engine can run the file alone. kInvalidArgument for ggml block schemes.
Result<SynthLayout> lay_out_safetensors(std::vector<WeightSpec> weights, Encoding scheme,
                                        const Architecture& architecture);

/// GGUF version 3 with the key-values llama.cpp writes, in execution order. kInvalidArgument for
/// the INT8 schemes, which GGUF does not have.
Result<SynthLayout> lay_out_gguf(std::vector<WeightSpec> weights, Encoding scheme,
                                 const Architecture& architecture);

}  // namespace qload::synth
