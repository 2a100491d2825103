// The codec benchmark: contenders prepared and proven, then measured in interleaved rounds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/codec/codec_report.h"
#include "qload/result.h"

namespace qload::bench {

struct CodecComparisonOptions {
  std::vector<std::string> data;        ///< Names; "synthetic" and "models" are all of a kind.
  std::vector<std::string> contenders;  ///< Names; none: the standard ones.
  std::vector<uint64_t> chunk_sizes = {1u << 20};  ///< Each in [4 KiB, 16 MiB].
  std::filesystem::path models;                    ///< Folder of model files; empty: none.
  CodecMode mode = CodecMode::kDecode;
  std::vector<uint32_t> threads;          ///< With kThreads: numbers of threads.
  uint32_t rounds = 9;                    ///< At least 1.
  double seconds_min = 0.05;              ///< Of each measurement.
  uint64_t working_set_bytes = 8u << 20;  ///< As CodecDataShape.
  double gain_min = 0.02;                 ///< As PackOptions, for contenders with a filter.
  std::optional<uint32_t> processor;      ///< To measure on; nothing: the first.
};

/// `on_start` gets the report without tables, `on_table` the report whenever a table was added.
struct CodecComparisonEvents {
  std::function<void(const CodecReport&)> on_start;
  std::function<void(const CodecReport&)> on_table;
};

/// kInvalidArgument names an unknown data set or contender; kCorrupt a wrong answer.
Result<CodecReport> compare_codecs(const CodecComparisonOptions& options,
                                   const CodecComparisonEvents& events);

}  // namespace qload::bench
