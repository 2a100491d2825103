// An analysis for scripts.
#pragma once

#include <functional>
#include <string_view>

#include "tools/analyze/analysis_rows.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// Takes a part of a report; false when it could not, which ends the report.
using ReportSink = std::function<bool(std::string_view)>;

/// Writes one JSON object; each tensor is on a line of its own. In parts, because a report may be
/// larger than the memory that the analysis took. False when `sink` failed.
bool write_analysis_json(const ModelAnalysis& analysis, const RowChoice& rows,
                         const ReportSink& sink);

}  // namespace qload::analyze
