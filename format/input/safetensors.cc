#include "format/input/safetensors.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/safetensors_visitor.h"
#include "format/input/source_names.h"
#include "format/input/unique_names.h"

namespace qload {

namespace {

constexpr uint64_t kLengthBytes = 8;  // The u64 header length in front of the JSON.

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// The JSON text, or why it cannot be there. Allocates no more than the file has.
Result<std::string> read_header_text(const File& file) {
  if (file.bytes() < kLengthBytes) {
    return corrupt(text("file of ", file.bytes(), " bytes, expected at least ", kLengthBytes,
                        " for the header length"));
  }
  uint64_t header_bytes = 0;
  QLOAD_CHECK(file.read_at(0, std::as_writable_bytes(std::span(&header_bytes, 1))));
  if (header_bytes > kSafetensorsHeaderBytesMax) {
    return corrupt(text("offset 0: header length ", header_bytes, ", expected at most ",
                        kSafetensorsHeaderBytesMax));
  }
  if (header_bytes > file.bytes() - kLengthBytes) {
    return corrupt(text("offset 0: header length ", header_bytes, ", but only ",
                        file.bytes() - kLengthBytes, " bytes follow"));
  }
  std::string header(header_bytes, '\0');
  QLOAD_CHECK(file.read_at(kLengthBytes, std::as_writable_bytes(std::span(header))));
  if (header.empty() || header[0] != '{') {
    return corrupt(
        text("offset 8: header starts with ", quote(header.substr(0, 1)), ", expected '{'"));
  }
  return header;
}

/// Bytes that `entry`'s shape and dtype ask for; an error on overflow or a split byte.
Result<uint64_t> tensor_bytes(const SafetensorsEntry& entry) {
  uint64_t elements = 1;
  for (uint64_t dimension : entry.shape) {
    auto product = checked_multiply(elements, dimension);
    if (!product) {
      return corrupt(text("tensor ", quote(entry.name), ": the product of shape exceeds 2^64-1"));
    }
    elements = *product;
  }
  const DTypeInfo& info = *find_dtype(entry.dtype);
  if (elements % info.block_elements != 0) {
    return corrupt(text("tensor ", quote(entry.name), ": ", elements, " elements of ", info.name,
                        " do not fill whole bytes, expected a multiple of ", info.block_elements));
  }
  auto bytes = checked_multiply(elements / info.block_elements, info.block_bytes);
  if (!bytes) {
    return corrupt(text("tensor ", quote(entry.name), ": size in bytes exceeds 2^64-1"));
  }
  return *bytes;
}

/// Proves one entry, which must start at `begin_expected`; gives its end.
Result<uint64_t> check_entry(const SafetensorsEntry& entry, uint64_t begin_expected,
                             uint64_t data_bytes) {
  const uint64_t begin = entry.begin;
  const uint64_t end = entry.end;
  if (end < begin) {
    return corrupt(text("tensor ", quote(entry.name), ": data_offsets end ", end,
                        " is before their start ", begin));
  }
  if (begin != begin_expected) {
    return corrupt(text("tensor ", quote(entry.name), ": data_offsets start at ", begin,
                        ", expected ", begin_expected, ", the end of the tensor before it"));
  }
  if (end > data_bytes) {
    return corrupt(text("tensor ", quote(entry.name), ": data_offsets end ", end,
                        " is past the data section of ", data_bytes, " bytes"));
  }
  QLOAD_TRY(uint64_t bytes, tensor_bytes(entry));
  if (end - begin != bytes) {
    return corrupt(text("tensor ", quote(entry.name), ": data_offsets hold ", end - begin,
                        " bytes, expected ", bytes, " for its shape and dtype ",
                        find_dtype(entry.dtype)->name));
  }
  return end;
}

Status check_names(const SafetensorsVisitor& visitor,
                   const std::vector<SafetensorsEntry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const auto& entry : entries) names.push_back(entry.name);
  if (auto name = find_repeated(std::move(names))) {
    return corrupt(text("duplicate key ", quote(*name), ": a tensor is described twice"));
  }
  std::vector<std::string_view> keys(visitor.metadata_keys().begin(),
                                     visitor.metadata_keys().end());
  if (auto key = find_repeated(std::move(keys))) {
    return corrupt(text("__metadata__: duplicate key ", quote(*key)));
  }
  return Ok{};
}

}  // namespace

Result<bool> looks_like_safetensors(const File& file) {
  struct {
    uint64_t header_bytes;
    char first;
  } __attribute__((packed)) start;
  static_assert(sizeof start == 9);
  if (file.bytes() < sizeof start) return false;
  QLOAD_CHECK(file.read_at(0, std::as_writable_bytes(std::span(&start, 1))));
  return start.first == '{' && start.header_bytes <= kSafetensorsHeaderBytesMax &&
         start.header_bytes > 0 && start.header_bytes <= file.bytes() - kLengthBytes;
}

Result<SafetensorsHeader> read_safetensors(const File& file) {
  SafetensorsVisitor visitor;
  SafetensorsHeader header;
  {
    QLOAD_TRY(const std::string json, read_header_text(file));
    header.header_bytes = kLengthBytes + json.size();
    QLOAD_CHECK(parse_json(json, kLengthBytes, visitor));
  }
  auto& entries = visitor.entries();
  QLOAD_CHECK(check_names(visitor, entries));
  // Entries come in any order. Equal offsets are those of empty tensors, which keep theirs.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  const uint64_t data_bytes = file.bytes() - header.header_bytes;
  uint64_t end = 0;
  header.tensors.reserve(entries.size());
  for (auto& entry : entries) {
    const uint64_t begin = end;
    QLOAD_TRY(end, check_entry(entry, begin, data_bytes));
    header.tensors.push_back({.name = std::move(entry.name),
                              .dtype = entry.dtype,
                              .shape = std::move(entry.shape),
                              .file = 0,
                              .offset = header.header_bytes + begin,
                              .bytes = end - begin});
  }
  if (end != data_bytes) {
    return corrupt(text("data section of ", data_bytes, " bytes, but the tensors end at ", end,
                        ": trailing bytes are not allowed"));
  }
  return header;
}

Status add_safetensors(ModelSource& model, File file, std::string path) {
  auto header = read_safetensors(file);
  if (!header.ok()) return error_in_file(header.error(), file.name());
  SourceFile source{.path = std::move(path),
                    .format = SourceFormat::kSafetensors,
                    .bytes = file.bytes(),
                    .header_bytes = header->header_bytes};
  return model.add_file(std::move(file), std::move(source), std::move(header->tensors));
}

}  // namespace qload
