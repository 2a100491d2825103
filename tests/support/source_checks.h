// What must hold of every list of tensors that a reader accepts, however broken its file was.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "format/input/model_source.h"

namespace qload::test {

/// Empty when the tensors lie between `header_bytes` and `file_bytes`, in order, without overlap,
/// with known types and distinct names; else what is wrong.
inline std::string broken_promise(std::span<const SourceTensor> tensors, uint64_t header_bytes,
                                  uint64_t file_bytes) {
  if (header_bytes > file_bytes) return "header leaves the file";
  uint64_t end = header_bytes;
  std::set<std::string_view> names;
  for (const SourceTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) return "name twice: " + tensor.name;
    const DTypeInfo* info = find_dtype(tensor.dtype);
    if (info == nullptr) return "unknown type of " + tensor.name;
    if (tensor.offset < end) return "overlap at " + tensor.name;
    if (tensor.bytes > file_bytes || tensor.offset > file_bytes - tensor.bytes) {
      return tensor.name + " leaves the file";
    }
    end = tensor.offset + tensor.bytes;
    __extension__ typedef unsigned __int128 Wide;
    Wide bits = 8 * static_cast<Wide>(info->block_bytes);
    bool is_empty = false;
    for (uint64_t dimension : tensor.shape) is_empty |= dimension == 0;
    // Saturates well above any file, so that it cannot wrap around to the right answer.
    for (uint64_t dimension : tensor.shape) {
      bits = (bits >> 63) > 0 ? bits : bits * dimension;
    }
    Wide expected = is_empty ? 0 : bits / info->block_elements / 8;
    if (expected != tensor.bytes) return "shape and bytes of " + tensor.name + " disagree";
  }
  return "";
}

}  // namespace qload::test
