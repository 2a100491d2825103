// An analysis as one table, for spreadsheets.
#pragma once

#include "tools/analyze/analysis_json.h"
#include "tools/analyze/analysis_rows.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// RFC 4180: a line of titles, then one for the model, each kind, each layer and each tensor of
/// `rows`, which the first column tells. What is not known is empty. False when `sink` failed.
bool write_analysis_csv(const ModelAnalysis& analysis, const RowChoice& rows,
                        const ReportSink& sink);

}  // namespace qload::analyze
