// Facts about a container, gathered from its index for people and scripts alike.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/container/container_reader.h"
#include "tools/report/json_report.h"

namespace qload::tools {

/// How a chunk is stored, in words: "store", "zstd", "byte_planes2[store,zstd]".
std::string form_text(const ChunkForm& form);

/// The forms of a tensor's chunks with how many chunks have each.
using FormCounts = std::map<std::string, uint64_t>;
FormCounts count_forms(const Index& index, std::span<const ChunkRecord> chunks);
/// The most frequent form, and how many others: "zstd", "zstd +1".
std::string form_summary(const FormCounts& forms);

/// For each tensor the number of the first in load order with the same chunks: its own for the
/// first, and for a tensor without chunks.
std::vector<uint32_t> find_chunk_owners(const Index& index);

/// Sums over the tensors of one type, or of all.
struct TensorTotals {
  uint64_t tensor_count = 0;
  uint64_t bytes = 0;
  uint64_t stored_bytes = 0;  ///< Shared chunks once: those of the first tensor that has them.
  void add(const TensorRecord& tensor, bool owns_chunks);
};
/// By dtype name, in order of name.
std::map<std::string, TensorTotals> totals_by_dtype(const Index& index);
TensorTotals totals_of_all(const Index& index);

/// The dtype's name; never fails for a parsed index.
std::string_view dtype_name(const TensorRecord& tensor);

/// 8 * stored / decoded: bits for each decoded byte; 0 for nothing.
double bits_per_byte(uint64_t decoded_bytes, uint64_t stored_bytes);

/// `shares_with` is the tensor that owns its chunks, or null: it owns them.
JsonReport tensor_json(const Index& index, const TensorRecord& tensor,
                       const TensorRecord* shares_with);
JsonReport chunk_json(const Index& index, const ChunkRecord& chunk);
JsonReport file_json(const Index& index, const FileRecord& file);
JsonReport group_json(const GroupRecord& group);
JsonReport totals_json(const TensorTotals& totals);

}  // namespace qload::tools
