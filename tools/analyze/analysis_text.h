// An analysis for people.
#pragma once

#include <string>

#include "tools/analyze/analysis_rows.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// Codecs, kinds, layers, tensors of `rows`, and load times, each as a table.
std::string analysis_text(const ModelAnalysis& analysis, const RowChoice& rows);

}  // namespace qload::analyze
