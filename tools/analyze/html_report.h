// An analysis as one page that needs nothing else.
#pragma once

#include <span>
#include <string>

#include "tools/analyze/analysis_json.h"
#include "tools/analyze/model_analysis.h"
#include "tools/analyze/value_preview.h"

namespace qload::analyze {

struct HtmlOptions {
  std::string pattern;  ///< Of names in the table of tensors, as name_matches() takes it.
  /// Letters and digits that nobody could know before: only what carries it is run or styled by a
  /// browser, whatever else ended up in the page.
  std::string nonce;
};

/// A nonce of 128 random bits.
std::string make_nonce();

/// HTML with its style, its charts and a script; works without the script. False when `sink`
/// failed. Texts from the model are escaped.
bool write_html_report(const ModelAnalysis& analysis, std::span<const ValuePreview> previews,
                       const HtmlOptions& options, const ReportSink& sink);

}  // namespace qload::analyze
