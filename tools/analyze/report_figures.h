// The charts of a report with the numbers behind them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/analyze/model_analysis.h"
#include "tools/analyze/value_preview.h"
#include "tools/chart/chart.h"

namespace qload::analyze {

/// Cells are text; a column is of numbers when its title starts with '>'.
struct NumberTable {
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> rows;
};

struct ReportFigure {
  std::string name;  ///< Of its file and its place in a page: lower-case letters and "_".
  chart::Chart chart;
  std::string caption;  ///< How to read it.
  NumberTable numbers;
};

/// Figures that belong together.
struct ReportSection {
  std::string name;
  std::string title;
  std::vector<ReportFigure> figures;  ///< None where the model has nothing of it.
};

ReportSection share_section(const ModelAnalysis& analysis);
ReportSection value_section(const ModelAnalysis& analysis, std::span<const ValuePreview> previews);
ReportSection ratio_section(const ModelAnalysis& analysis, std::span<const ValuePreview> previews);
ReportSection codec_section(const ModelAnalysis& analysis);
ReportSection load_section(const ModelAnalysis& analysis);

/// All of them, without those that have no figures.
std::vector<ReportSection> report_sections(const ModelAnalysis& analysis,
                                           std::span<const ValuePreview> previews);

/// Every name that a figure may have.
std::vector<std::string> figure_names();

chart::Color kind_color(TensorKind kind);
/// kOther for all kinds that share a colour, kGrey; else the kind itself. Where kinds are told
/// apart by colour, these are one, named "rest".
TensorKind kind_group(TensorKind kind);
std::string kind_group_name(TensorKind group);

/// What a tensor is called in a report: its name, without the middle of those beyond 200
/// characters.
std::string tensor_label(const TensorAnalysis& tensor);

/// "1.234", or "-" for nothing and for what is not finite.
std::string number_text(std::optional<double> number, int decimals);
/// "12.3 %".
std::string percent_text(double part, double whole);
/// "1.04 ms", "0.482 s", "2 min 05 s"; "-" for what is not finite.
std::string seconds_text(double seconds);
/// A size that may be the result of an estimate.
std::string bytes_text(double bytes);

}  // namespace qload::analyze
