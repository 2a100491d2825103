// Which parts of the model its bytes are in: the paper's Figure 2.
#include "format/base/format_text.h"
#include "tools/analyze/report_figures.h"

namespace qload::analyze {
namespace {

// Kinds of less than this share are shown together.
constexpr double kSmallShare = 0.005;

struct KindShare {
  std::string name;
  chart::Color color = chart::Color::kGrey;
  double bytes = 0;
  double packed_bytes = 0;
};

std::vector<KindShare> shares_of(const ModelAnalysis& analysis) {
  std::vector<KindShare> shares;
  KindShare rest;
  const auto total = static_cast<double>(analysis.total.bytes);
  for (const KindAnalysis& kind : analysis.kinds) {
    const auto bytes = static_cast<double>(kind.figures.bytes);
    const std::string name(tensor_kind_name(kind.kind));
    if (bytes >= kSmallShare * total) {
      shares.push_back({name, kind_color(kind.kind), bytes, kind.figures.packed.stored_bytes});
    } else {
      rest.name += rest.name.empty() ? name : text(", ", name);
      rest.bytes += bytes;
      rest.packed_bytes += kind.figures.packed.stored_bytes;
    }
  }
  if (rest.bytes > 0) shares.push_back(std::move(rest));
  return shares;
}

}  // namespace

ReportSection share_section(const ModelAnalysis& analysis) {
  ReportSection section{.name = "where", .title = "Where the bytes are", .figures = {}};
  if (analysis.total.bytes == 0) return section;
  const auto total = static_cast<double>(analysis.total.bytes);
  const double packed = analysis.total.packed.stored_bytes;
  chart::SharePlot plot;
  plot.rows.push_back({.name = text("As it is, ", bytes_text(total)), .values = {}});
  plot.rows.push_back({.name = text("Packed, ", bytes_text(packed)), .values = {}});
  NumberTable numbers{
      .titles = {"kind", ">bytes", ">share", ">packed bytes", ">share of packed", ">saved"},
      .rows = {}};
  for (const KindShare& share : shares_of(analysis)) {
    plot.parts.push_back({text(share.name, " ", percent_text(share.bytes, total)), share.color});
    plot.rows[0].values.push_back(share.bytes);
    plot.rows[0].notes.push_back(
        text(share.name, ": ", bytes_text(share.bytes), ", ", percent_text(share.bytes, total)));
    plot.rows[1].values.push_back(share.packed_bytes);
    plot.rows[1].notes.push_back(text(share.name, ": ", bytes_text(share.packed_bytes), ", ",
                                      percent_text(share.packed_bytes, packed),
                                      " of what is stored"));
    numbers.rows.push_back({share.name, bytes_text(share.bytes), percent_text(share.bytes, total),
                            bytes_text(share.packed_bytes),
                            percent_text(share.packed_bytes, packed),
                            percent_text(share.bytes - share.packed_bytes, share.bytes)});
  }
  chart::Chart chart{.title = "Weight share by component",
                     .description =
                         "Two stacked bars: bytes of each kind of tensor, as they are "
                         "and packed, to one scale.",
                     .panels = {{.title = "", .plot = std::move(plot)}}};
  section.figures.push_back(
      {.name = "weight_share",
       .chart = std::move(chart),
       .caption =
           "Bytes of each kind of tensor. Both bars have one scale: what is missing from the "
           "second is what packing saves.",
       .numbers = std::move(numbers)});
  return section;
}

}  // namespace qload::analyze
