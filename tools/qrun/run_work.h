// What a run of qrun puts through the model.
#pragma once

#include <cstdint>

#include "qload/result.h"
#include "tools/qrun/model_facts.h"
#include "tools/qrun/run_arguments.h"
#include "tools/qrun/token_file.h"

namespace qload::qrun {

struct RunWork {
  TokenLists sequences;         ///< To score; to generate from: one, the prompt.
  uint32_t position_count = 0;  ///< Of the longest sequence, with what is generated.
  uint64_t token_count = 0;     ///< Tokens that are run, unless an end token comes first.
};

/// Takes the tokens from where the arguments say. kInvalidArgument when there are none, or more
/// than the model was trained for; errors as of read_token_file.
Result<RunWork> plan_work(const RunArguments& arguments, const ModelFacts& facts);

}  // namespace qload::qrun
