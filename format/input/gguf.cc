#include "format/input/gguf.h"

#include <algorithm>
#include <bit>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/ggml_types.h"
#include "format/input/gguf_keys.h"
#include "format/input/header_cursor.h"
#include "format/input/unique_names.h"

namespace qload {

namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kVersionMin = 2;
constexpr uint32_t kVersionMax = 3;
/// ggml.h, GGML_MAX_DIMS, and GGML_MAX_NAME without the terminating NUL.
constexpr uint32_t kRankMaxGguf = 4;
constexpr uint64_t kNameBytesMaxGguf = 63;

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }
Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

Status check_version(uint32_t version) {
  if (version >= kVersionMin && version <= kVersionMax) return Ok{};
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= kVersionMax) {
    return unsupported(
        text("offset 4: big-endian GGUF of version ", swapped, ", expected little-endian"));
  }
  if (version == 0) return corrupt("offset 4: GGUF version 0, expected 2 or 3");
  return unsupported(
      text("offset 4: GGUF version ", version, ", expected ", kVersionMin, " or ", kVersionMax));
}

/// A count of tensors or keys; ggml takes it for signed.
Result<uint64_t> read_count(HeaderCursor& cursor, std::string_view what) {
  const uint64_t offset = cursor.offset();
  QLOAD_TRY(const int64_t count, cursor.read<int64_t>(what));
  if (count < 0) return corrupt(text("offset ", offset, ": ", what, " is ", count));
  return static_cast<uint64_t>(count);
}

/// Reads rank and dimensions, innermost first as in the file.
Result<std::vector<uint64_t>> read_dimensions(HeaderCursor& cursor, std::string_view tensor) {
  const uint64_t offset = cursor.offset();
  QLOAD_TRY(const uint32_t rank, cursor.read<uint32_t>(tensor));
  if (rank > kRankMaxGguf) {
    return corrupt(text("offset ", offset, ": ", tensor, " has ", rank,
                        " dimensions, expected at most ", kRankMaxGguf));
  }
  std::vector<uint64_t> dimensions(rank);
  uint64_t elements = 1;
  bool is_empty = false;
  bool is_too_large = false;
  for (uint32_t i = 0; i < rank; ++i) {
    QLOAD_TRY(const int64_t dimension, cursor.read<int64_t>(tensor));
    if (dimension < 0) {
      return corrupt(text("offset ", cursor.offset() - sizeof dimension, ": ", tensor,
                          " has dimension ", i, " of ", dimension, " elements"));
    }
    dimensions[i] = static_cast<uint64_t>(dimension);
    is_empty |= dimension == 0;
    auto product = checked_multiply(elements, dimensions[i]);
    is_too_large |= !product || *product >= INT64_MAX;
    if (product) elements = *product;
  }
  if (is_too_large && !is_empty) {
    return corrupt(text("offset ", offset, ": ", tensor, " has 2^63-1 elements or more"));
  }
  return dimensions;
}

/// Bytes of a tensor with these dimensions. Its element count is below 2^63.
Result<uint64_t> tensor_bytes(const std::vector<uint64_t>& dimensions, const DTypeInfo& info,
                              std::string_view tensor) {
  const uint64_t row = dimensions.empty() ? 1 : dimensions[0];
  if (row % info.block_elements != 0) {
    return corrupt(text(tensor, " of type ", info.name, " has rows of ", row,
                        " elements, expected a multiple of ", info.block_elements));
  }
  if (std::find(dimensions.begin(), dimensions.end(), 0u) != dimensions.end()) return uint64_t{0};
  uint64_t elements = 1;
  for (uint64_t dimension : dimensions) elements *= dimension;
  auto bytes = checked_multiply(elements / info.block_elements, info.block_bytes);
  if (!bytes) return corrupt(text(tensor, ": size in bytes exceeds 2^64-1"));
  return *bytes;
}

/// One tensor description. Its offset is proven to be `offset_expected`; both count from the start
/// of the data section.
Result<SourceTensor> read_tensor(HeaderCursor& cursor, uint64_t number, uint64_t offset_expected) {
  const uint64_t start = cursor.offset();
  SourceTensor tensor;
  QLOAD_TRY(tensor.name,
            read_gguf_string(cursor, kNameBytesMaxGguf, text("name of tensor ", number)));
  const std::string where = text("tensor ", quote(tensor.name));
  if (tensor.name.find('\0') != std::string::npos) {
    return corrupt(text("offset ", start, ": ", where, " has a NUL byte in its name"));
  }
  QLOAD_TRY(tensor.shape, read_dimensions(cursor, where));

  const uint64_t type_offset = cursor.offset();
  QLOAD_TRY(const uint32_t ggml_type, cursor.read<uint32_t>(where));
  auto dtype = dtype_of_ggml(ggml_type);
  if (!dtype.ok()) {
    return dtype.error().at(where).at(text("offset ", type_offset));
  }
  tensor.dtype = *dtype;
  auto bytes = tensor_bytes(tensor.shape, *find_dtype(tensor.dtype), where);
  if (!bytes.ok()) return bytes.error().at(text("offset ", start));
  tensor.bytes = *bytes;
  std::reverse(tensor.shape.begin(), tensor.shape.end());

  QLOAD_TRY(tensor.offset, cursor.read<uint64_t>(where));
  if (tensor.offset != offset_expected) {
    return corrupt(text("offset ", cursor.offset() - sizeof tensor.offset, ": ", where,
                        " has data offset ", tensor.offset, ", expected ", offset_expected,
                        ", the padded end of the tensor before it"));
  }
  return tensor;
}

Status check_names(const std::vector<SourceTensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const auto& tensor : tensors) names.push_back(tensor.name);
  if (auto name = find_repeated(std::move(names))) {
    return corrupt(text("duplicate tensor name ", quote(*name)));
  }
  return Ok{};
}

Status read_tensors(HeaderCursor& cursor, uint64_t count, GgufHeader& header) {
  uint64_t end = 0;  // Of the last tensor with its padding, from the start of the data section.
  for (uint64_t i = 0; i < count; ++i) {
    if (i == kTensorCountMax) return unsupported(text("more than ", kTensorCountMax, " tensors"));
    QLOAD_TRY(SourceTensor tensor, read_tensor(cursor, i, end));
    auto padded_bytes = checked_align_up(tensor.bytes, header.alignment);
    auto next = padded_bytes ? checked_add(end, *padded_bytes) : std::nullopt;
    if (!next) {
      return corrupt(text("tensor ", quote(tensor.name), ": its end exceeds 2^64-1"));
    }
    end = *next;
    header.tensors.push_back(std::move(tensor));
  }
  return check_names(header.tensors);
}

/// Finds the data section and makes the tensors' offsets count from the start of the file.
Status place_tensors(uint64_t header_end, uint64_t file_bytes, GgufHeader& header) {
  auto data_offset = checked_align_up(header_end, header.alignment);
  if (header.tensors.empty()) {
    header.header_bytes = std::min(data_offset.value_or(file_bytes), file_bytes);
    return Ok{};
  }
  if (!data_offset || *data_offset > file_bytes) {
    return corrupt(text("offset ", header_end, ": the file of ", file_bytes,
                        " bytes ends before its data section, aligned to ", header.alignment));
  }
  header.header_bytes = *data_offset;
  const uint64_t data_bytes = file_bytes - *data_offset;
  for (SourceTensor& tensor : header.tensors) {
    if (!range_fits(tensor.offset, tensor.bytes, data_bytes)) {
      return corrupt(text("tensor ", quote(tensor.name), " of ", tensor.bytes,
                          " bytes at data offset ", tensor.offset, " leaves the data section of ",
                          data_bytes, " bytes"));
    }
    tensor.offset += *data_offset;
  }
  return Ok{};
}

}  // namespace

Result<bool> looks_like_gguf(const File& file) {
  uint32_t magic = 0;
  if (file.bytes() < sizeof magic) return false;
  QLOAD_CHECK(file.read_at(0, std::as_writable_bytes(std::span(&magic, 1))));
  return magic == kMagic;
}

Result<GgufHeader> read_gguf(const File& file) {
  HeaderCursor cursor(file);
  QLOAD_TRY(const uint32_t magic, cursor.read<uint32_t>("magic"));
  if (magic != kMagic) {
    std::string_view found(reinterpret_cast<const char*>(&magic), sizeof magic);
    return corrupt(text("offset 0: magic ", quote(found), ", expected \"GGUF\""));
  }
  GgufHeader header;
  QLOAD_TRY(header.version, cursor.read<uint32_t>("version"));
  QLOAD_CHECK(check_version(header.version));
  QLOAD_TRY(const uint64_t tensor_count, read_count(cursor, "number of tensors"));
  QLOAD_TRY(const uint64_t key_count, read_count(cursor, "number of keys"));
  QLOAD_CHECK(read_gguf_keys(cursor, key_count, header));
  QLOAD_CHECK(read_tensors(cursor, tensor_count, header));
  QLOAD_CHECK(place_tensors(cursor.offset(), file.bytes(), header));
  return header;
}

}  // namespace qload
