// Contenders of the codec benchmark: ways to store a chunk.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/chunk/chunk.h"
#include "format/codec/codec.h"
#include "qload/result.h"

namespace qload::bench {

struct CodecContender {
  std::string name;
  std::string description;
  std::optional<CodecId> codec;  ///< Nothing: plain bytes and memcpy.
  CodecParameters parameters = {};
  bool filtered = false;               ///< With the data's filter; else the raw chunk.
  const LaneKernel* kernel = nullptr;  ///< lane_huffman's.
  bool encodes = false;                ///< In the standard list of --encode.

  /// A filtered stream is coded only when that saves `gain_min`, as qpack does; an unfiltered chunk
  /// whenever it gets smaller, as the bare codec does.
  ChunkRecipe recipe(FilterId filter, double gain_min) const;
};

/// What the figures of all contenders are compared with.
inline constexpr const char* kCopyName = "memcpy";
inline constexpr const char* kBaselineName = "zstd-1";

/// Those of this build and this processor, in the order of the table.
std::vector<CodecContender> all_codec_contenders();

/// Those named, in the order of the table; with no names all, or those of --encode. An unknown name
/// is kInvalidArgument.
Result<std::vector<CodecContender>> choose_codec_contenders(std::span<const std::string> names,
                                                            bool encode);

}  // namespace qload::bench
