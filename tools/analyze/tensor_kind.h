// What a tensor does in the model, by its name and shape.
#pragma once

#include <cstddef>
#include <string_view>

#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// A guess from the names that models of transformers, llama.cpp, Meta and CTranslate2 use; never
/// wrong about the bytes, only about the word. A gate that chooses experts is kOther: it is no part
/// of a feed-forward; one matrix for gate and up is kUp.
TensorKind tensor_kind(std::string_view name, size_t rank);

}  // namespace qload::analyze
