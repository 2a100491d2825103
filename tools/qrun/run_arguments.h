// qrun's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/qrun/linear_inputs.h"
#include "tools/qrun/sampler.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

struct RunArguments {
  std::string model;
  std::string config;     // Empty: found with the model.
  std::string tokenizer;  // The same.
  std::optional<std::string> prompt;
  std::vector<uint32_t> tokens;
  uint32_t token_count = 128;
  uint32_t threads = 0;  // 0: one for each processor.
  std::string weights = "whole";
  uint64_t budget_bytes = 0;  // 0: what the control group leaves.
  std::string target;         // Empty: the library's guess.
  WeightOptions source;
  SamplerOptions sampler;
  bool ignore_end = false;
  bool score = false;
  std::string score_file;  // Empty: the prompt is scored.
  std::string activations = "float";
  ActivationType activation_type = ActivationType::kFloat;
  std::string collect_path;  // Empty: activations are not recorded.
  uint64_t activation_sample_count = 0;
  bool force = false;
  bool json = false;
};

/// Parses; prints help or version to stdout and a wrong usage to stderr. Nothing when the program
/// has to end with `exit_code`.
std::optional<RunArguments> parse_arguments(int count, const char* const* arguments,
                                            int& exit_code);

}  // namespace qload::qrun
