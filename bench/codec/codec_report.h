// What a codec benchmark found, and its three forms: tables, Markdown, JSON.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "bench/codec/timed_passes.h"
#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "bench/load/spread.h"

namespace qload::bench {

enum class CodecMode : uint8_t {
  kDecode,   ///< One processor.
  kEncode,   ///< One processor.
  kThreads,  ///< Decoding by several.
};

/// One contender on one data set, with one number of threads.
struct CodecRow {
  std::string name;
  uint32_t threads = 1;
  uint64_t stored_bytes = 0;
  std::string left_out;  ///< Why it did not run; empty: it ran.
  std::vector<PassSample> rounds;
};

/// One data set in chunks of one size.
struct CodecTable {
  std::string data;
  std::string description;
  std::string dtypes;        ///< "BF16, F32".
  std::string filters;       ///< "float_planes_2, float_planes_4"; "none".
  uint64_t chunk_bytes = 0;  ///< As aimed at.
  uint64_t chunk_count = 0;  ///< Of one copy.
  uint64_t bytes = 0;        ///< Of all copies.
  uint32_t copies = 1;
  double kept_share = 1;
  double entropy_bits = 0;  ///< Order-0, of a byte of the plain chunks.
  std::vector<CodecRow> rows;
};

struct CodecReport {
  Machine machine;
  CodecMode mode = CodecMode::kDecode;
  std::vector<std::string> kernels;  ///< lane_huffman's that this processor can run.
  std::string chosen_kernel;
  std::vector<uint32_t> processors;  ///< Measured on, in the order of threads.
  uint32_t rounds = 0;
  double seconds_min = 0;
  uint64_t working_set_bytes = 0;
  double gain_min = 0;
  std::vector<CodecTable> tables;
};

/// Figures of one row as the reports print them.
struct CodecSummary {
  double ratio = 0;  ///< Decoded / stored bytes.
  Spread rate;  ///< Decoded bytes per second: of processor time, or of wall time with kThreads.
  double over_baseline = 0;  ///< Median over rounds of rate / zstd-1's; 0: it did not run.
  double over_copy = 0;      ///< The same over memcpy's.
  double over_fewest = 0;    ///< The same over this contender's with the fewest threads.
  double busy_share = 0;     ///< Median of processor time / (wall time * threads): 1 undisturbed.
};
CodecSummary summarize(const CodecReport& report, const CodecTable& table, const CodecRow& row);

void print_codec_facts(const CodecReport& report, TableStyle style, std::ostream& out);
void print_codec_table(const CodecReport& report, const CodecTable& table, TableStyle style,
                       std::ostream& out);
std::string codec_report_to_json(const CodecReport& report);

}  // namespace qload::bench
