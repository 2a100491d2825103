// The expanded file, version 1: its header, and whether one that is there serves a model.
// docs/format.md, "Expanded file", is the law; this mirrors it.
#pragma once

#include <cstdint>
#include <string_view>

#include "format/base/file.h"
#include "format/container/layout.h"
#include "qload/result.h"
#include "runtime/load/model_state.h"
#include "runtime/load/tensor_layout.h"

namespace qload::internal {

inline constexpr uint8_t kExpandedMagic[8] = {0x89, 'Q', 'X', 'P', '\r', '\n', 0x1A, '\n'};
inline constexpr uint32_t kExpandedVersion = 1;
inline constexpr uint32_t kExpandedMark = 0x454E4F44;  // "DONE"
inline constexpr uint64_t kExpandedHeaderBytes = 4096;

/// At offset 0. Written last, after everything else is on storage.
struct ExpandedHeader {
  uint8_t magic[8];
  uint32_t version;
  uint32_t mark;  ///< kExpandedMark
  uint64_t file_bytes;
  uint64_t tensor_count;
  DigestRecord model_digest;
  DigestRecord layout_digest;
  uint8_t reserved[4096 - 120];  ///< Zero.
  uint64_t checksum;             ///< XXH3-64 of the 4088 bytes before it.
};
static_assert(sizeof(ExpandedHeader) == kExpandedHeaderBytes);

/// Where everything lies: tensors in load order behind the header.
struct ExpandedLayout {
  TensorLayout tensors;
  uint64_t file_bytes = 0;
  ExpandedHeader header = {};  ///< As a complete file has it.
};

/// kOutOfMemory when the file would not fit in 64 bits.
Result<ExpandedLayout> lay_out_expanded(const ModelState& model);

/// What a file is to a model: a text of ExpandStatistics::reason, static. kInvalidArgument for a
/// file that is no expanded file, not even a torn one: it is somebody else's.
Result<const char*> judge_expanded(const File& file, const ExpandedLayout& layout);
inline constexpr char kExpandedComplete[] = "complete";

}  // namespace qload::internal
