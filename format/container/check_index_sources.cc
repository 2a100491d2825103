#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/container/index_check.h"

namespace qload {
namespace {

template <class... Pieces>
Error tensor_error(const IndexTables& tables, const TensorRecord& tensor, const Pieces&... pieces) {
  return corrupt("tensor ", quote(tables.name(tensor)), ": ", pieces...);
}

template <class... Pieces>
Error file_error(const IndexTables& tables, const FileRecord& file, const Pieces&... pieces) {
  return corrupt("file ", quote(tables.path(file)), ": ", pieces...);
}

Status check_file(const IndexTables& tables, uint64_t number) {
  const FileRecord& file = tables.files[number];
  if (file.format >= kSourceFormatCount) {
    return unsupported("file ", quote(tables.path(file)), ": source format ", file.format,
                       " is unknown");
  }
  if (file.reserved != 0) return file_error(tables, file, "reserved field is not zero");
  if (file.header_bytes > file.bytes) {
    return file_error(tables, file, "header of ", file.header_bytes, " bytes, the file has ",
                      file.bytes);
  }
  return check_digest(file.kept_digest, "kept bytes of file", number);
}

/// Dimensions of all tensors, in their order, fill the shapes section back to back.
Status check_shape(const IndexTables& tables, const TensorRecord& tensor, uint64_t& next) {
  if (tensor.rank > kRankMax) {
    return tensor_error(tables, tensor, "rank ", tensor.rank, ", at most ", kRankMax);
  }
  if (tensor.first_dimension != next) {
    return tensor_error(tables, tensor, "first dimension ", tensor.first_dimension, ", expected ",
                        next);
  }
  if (!range_fits(next, tensor.rank, tables.shapes.size())) {
    return tensor_error(tables, tensor, "dimensions end at ", next + tensor.rank,
                        ", past the shapes section of ", tables.shapes.size());
  }
  next += tensor.rank;
  return Ok{};
}

/// The product of the dimensions; nothing when it passes 64 bits. A zero anywhere makes it zero.
std::optional<uint64_t> element_count(std::span<const uint64_t> shape) {
  std::optional<uint64_t> count = 1;
  for (uint64_t dimension : shape) {
    if (dimension == 0) return 0;
    if (count) count = checked_multiply(*count, dimension);
  }
  return count;
}

Status check_tensor_bytes(const IndexTables& tables, const TensorRecord& tensor) {
  const DTypeInfo* dtype = find_dtype(DType{tensor.dtype});
  if (dtype == nullptr) {
    return unsupported("tensor ", quote(tables.name(tensor)), ": dtype ", tensor.dtype,
                       " is unknown");
  }
  auto shape = tables.shape(tensor);
  auto elements = element_count(shape);
  if (!elements) return tensor_error(tables, tensor, "element count passes 64 bits");
  // Blocks of ggml's types (256 and more) lie within a row; sub-byte types of safetensors are
  // packed across rows.
  bool blocks_in_rows = tensor.dtype >= 256;
  uint64_t row = shape.empty() ? 1 : shape.back();
  uint64_t blocked = blocks_in_rows ? row : *elements;
  if (blocked % dtype->block_elements != 0) {
    return tensor_error(tables, tensor, blocks_in_rows ? "row of " : "", blocked,
                        " elements, no multiple of the block of ", dtype->block_elements, " of ",
                        dtype->name);
  }
  auto bytes = checked_multiply(*elements / dtype->block_elements, dtype->block_bytes);
  if (!bytes || *bytes != tensor.bytes) {
    return tensor_error(tables, tensor, tensor.bytes, " bytes, its shape and ", dtype->name,
                        " need ", bytes ? text(*bytes) : "more than 64 bits can count");
  }
  return Ok{};
}

Status check_tensor(const IndexTables& tables, uint64_t number, uint64_t& next_dimension) {
  const TensorRecord& tensor = tables.tensors[number];
  if (tensor.reserved != 0) return tensor_error(tables, tensor, "reserved field is not zero");
  QLOAD_CHECK(check_shape(tables, tensor, next_dimension));
  QLOAD_CHECK(check_tensor_bytes(tables, tensor));
  QLOAD_CHECK(check_digest(tensor.digest, "tensor", number));
  if (tensor.file >= tables.files.size()) {
    return tensor_error(tables, tensor, "file ", tensor.file, ", there are ", tables.files.size());
  }
  const FileRecord& file = tables.files[tensor.file];
  if (tensor.file_offset < file.header_bytes ||
      !range_fits(tensor.file_offset, tensor.bytes, file.bytes)) {
    return tensor_error(tables, tensor, tensor.bytes, " bytes at file offset ", tensor.file_offset,
                        ", outside [", file.header_bytes, ", ", file.bytes, ") of its file");
  }
  return Ok{};
}

/// Tensors of a file are disjoint, and the rest of it is what it says it kept. Sums cannot
/// overflow: disjoint ranges within a file.
Status check_source_ranges(const IndexTables& tables) {
  auto order = tensors_in_source_order(tables);
  size_t next = 0;
  for (uint32_t i = 0; i < tables.files.size(); ++i) {
    const FileRecord& file = tables.files[i];
    uint64_t end = 0;
    uint64_t sum = 0;
    for (; next < order.size() && tables.tensors[order[next]].file == i; ++next) {
      const TensorRecord& tensor = tables.tensors[order[next]];
      if (tensor.bytes == 0) continue;
      if (tensor.file_offset < end) {
        return tensor_error(tables, tensor, "starts at file offset ", tensor.file_offset,
                            ", inside the tensor before it, which ends at ", end);
      }
      end = tensor.file_offset + tensor.bytes;
      sum += tensor.bytes;
    }
    if (file.kept_bytes != file.bytes - sum) {
      return file_error(tables, file, file.kept_bytes, " kept bytes, expected ", file.bytes - sum,
                        ": ", file.bytes, " less ", sum, " of its tensors");
    }
  }
  return Ok{};
}

}  // namespace

Status check_sources(const IndexTables& tables) {
  for (uint64_t i = 0; i < tables.files.size(); ++i) QLOAD_CHECK(check_file(tables, i));
  uint64_t next_dimension = 0;
  for (uint64_t i = 0; i < tables.tensors.size(); ++i) {
    QLOAD_CHECK(check_tensor(tables, i, next_dimension));
  }
  if (next_dimension != tables.shapes.size()) {
    return corrupt("shapes section: ", tables.shapes.size(), " dimensions, its tensors have ",
                   next_dimension);
  }
  return check_source_ranges(tables);
}

}  // namespace qload
