// Data sets of the codec benchmark: synthetic tensors and model files, cut into chunks as qpack
// cuts them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "bench/load/fresh_memory.h"
#include "format/filter/filter.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload::bench {

struct SyntheticWeights;

/// A data set by name, not made yet.
struct CodecDataKind {
  std::string name;  ///< Of synthetic data, or the file's.
  std::string description;
  const SyntheticWeights* synthetic = nullptr;
  std::filesystem::path file;  ///< When `synthetic` is null.
};

/// One chunk of a data set: a range of its memory, and the filter of its element type.
struct DataChunk {
  uint64_t offset = 0;
  uint32_t bytes = 0;
  FilterId filter = FilterId::kNone;
};

struct CodecData {
  CodecDataKind kind;
  FreshMemory memory;  ///< Touched.
  std::vector<DataChunk> chunks;
  std::vector<DType> dtypes;  ///< That occur, in order of first appearance.
  uint64_t bytes = 0;         ///< Of all chunks.
  uint32_t copies = 1;        ///< Times the same chunks are there, in memory of their own.
  double kept_share = 1;      ///< Of a large file's chunks, evenly spread.

  std::span<const std::byte> chunk_bytes(const DataChunk& chunk) const {
    return std::span<const std::byte>(memory.bytes()).subspan(chunk.offset, chunk.bytes);
  }
  bool any_filter() const;
};

struct CodecDataShape {
  uint64_t chunk_bytes = 1u << 20;  ///< As PackOptions::chunk_bytes.
  /// Synthetic data has about so many bytes. A smaller file is repeated until it has: what is
  /// decoded comes from and goes to memory, as in a load, and not from a core's own caches.
  uint64_t working_set_bytes = 8u << 20;
};
/// Files beyond this are sampled: every n-th chunk.
inline constexpr uint64_t kFileBytesMax = 64u << 20;

/// Every synthetic kind, then every safetensors and GGUF file of `models` (empty: none), by name.
Result<std::vector<CodecDataKind>> list_codec_data(const std::filesystem::path& models);

/// Makes the data. Errors of a file are those of open_model_source.
Result<CodecData> make_codec_data(const CodecDataKind& kind, const CodecDataShape& shape);

}  // namespace qload::bench
