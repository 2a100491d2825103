// The tables of an index, as views of its bytes. Says where things are, not that they are right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/container/layout.h"
#include "qload/tensor.h"

namespace qload {

/// Borrowed: valid while the bytes they view are. The accessors REQUIRE a record whose ranges
/// check_index (index_check.h) has proven.
struct IndexTables {
  std::string_view names;
  std::span<const FileRecord> files;
  std::span<const TensorRecord> tensors;
  std::span<const uint64_t> shapes;
  std::span<const ChunkRecord> chunks;
  std::span<const StreamRecord> streams;
  std::span<const ExtentRecord> extents;
  std::span<const GroupRecord> groups;
  std::span<const uint32_t> name_order;

  std::string_view name(const TensorRecord& tensor) const {
    return {names.data() + tensor.name_offset, tensor.name_bytes};
  }
  std::string_view path(const FileRecord& file) const {
    return {names.data() + file.path_offset, file.path_bytes};
  }
  std::span<const uint64_t> shape(const TensorRecord& tensor) const {
    return shapes.subspan(tensor.first_dimension, tensor.rank);
  }
  ChunkForm form(const ChunkRecord& chunk) const;
};

/// Tensor numbers by file, then offset in it, then name: an order that no recipe changes.
/// REQUIRES: proven names and name order.
std::vector<uint32_t> tensors_in_source_order(const IndexTables& tables);

/// See model_digest in index.h. REQUIRES: proven tables.
Digest model_digest(const IndexTables& tables);

}  // namespace qload
