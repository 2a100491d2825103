// What a run tells: speed, waiting, memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/qrun/generate.h"
#include "tools/qrun/score.h"
#include "tools/qrun/weight_source.h"
#include "tools/report/json_report.h"

namespace qload::qrun {

struct RunReport {
  std::string model;
  std::string weights;      ///< The mode's name.
  std::string activations;  ///< The type's name.
  std::string kernels;      ///< The instruction set of the products.
  uint32_t threads = 0;
  uint64_t prompt_token_count = 0;
  uint64_t pass_count = 0;
  std::optional<Score> score;   ///< In place of prompt and generation.
  uint64_t sequence_count = 0;  ///< Scored.
  Generation generation;
  std::string text;          ///< Empty without a vocabulary.
  std::string collect_path;  ///< Where activations are; empty when they were not recorded.
  uint64_t recorded_token_count = 0;
  WeightStatistics source;
  uint64_t engine_bytes = 0;       ///< Streamed: of the budget, what weights did not get.
  uint64_t memory_peak_bytes = 0;  ///< VmHWM of the process.
  uint64_t major_fault_count = 0;  ///< Page faults that waited for storage.
};

/// Tokens per second after the first; 0 when there is only one.
double tokens_per_second(const Generation& generation);

/// Fills in the last two fields.
void measure_process(RunReport& report);

/// The answer to --score, for stdout.
std::string score_text(const Score& score);
/// Speed and memory, for stderr.
std::string report_text(const RunReport& report);
tools::JsonReport report_json(const RunReport& report);

}  // namespace qload::qrun
