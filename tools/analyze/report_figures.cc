#include "tools/analyze/report_figures.h"

#include <algorithm>
#include <cmath>

#include "format/base/format_text.h"
#include "tools/chart/markup.h"
#include "tools/report/size_text.h"

namespace qload::analyze {

namespace {

// Longer than anything that is worth a number; whole seconds and bytes below have 64 bits.
constexpr double kSecondsMax = 1e12;
constexpr double kBytesMax = 1e18;

}  // namespace

std::vector<ReportSection> report_sections(const ModelAnalysis& analysis,
                                           std::span<const ValuePreview> previews) {
  std::vector<ReportSection> sections;
  sections.push_back(ratio_section(analysis, previews));
  sections.push_back(share_section(analysis));
  sections.push_back(value_section(analysis, previews));
  sections.push_back(codec_section(analysis));
  sections.push_back(load_section(analysis));
  std::erase_if(sections, [](const ReportSection& section) { return section.figures.empty(); });
  return sections;
}

std::vector<std::string> figure_names() {
  std::vector<std::string> names = {"bits_by_spread", "codec_speed", "load_time",   "ratio_by_kind",
                                    "ratio_by_layer", "values",      "weight_share"};
  for (size_t kind = 0; kind < kTensorKindCount; ++kind) {
    names.push_back(text("values_", tensor_kind_name(static_cast<TensorKind>(kind))));
  }
  return names;
}

chart::Color kind_color(TensorKind kind) {
  switch (kind) {
    case TensorKind::kEmbedding:
      return chart::Color::kOrange;
    case TensorKind::kAttentionInput:
      return chart::Color::kBlue;
    case TensorKind::kAttentionOutput:
      return chart::Color::kSky;
    case TensorKind::kUp:
      return chart::Color::kGreen;
    case TensorKind::kGate:
      return chart::Color::kPurple;
    case TensorKind::kDown:
      return chart::Color::kRed;
    case TensorKind::kNorm:
      return chart::Color::kPink;
    default:
      return chart::Color::kGrey;
  }
}

TensorKind kind_group(TensorKind kind) {
  return kind_color(kind) == chart::Color::kGrey ? TensorKind::kOther : kind;
}

std::string kind_group_name(TensorKind group) {
  return group == TensorKind::kOther ? "rest" : std::string(tensor_kind_name(group));
}

std::string tensor_label(const TensorAnalysis& tensor) {
  constexpr size_t kEndCount = 100;
  const std::vector<std::string_view> characters = chart::split_characters(tensor.name);
  if (characters.size() <= 2 * kEndCount) return tensor.name;
  std::string label;
  for (const auto& character : std::span(characters).first(kEndCount)) label += character;
  label += "\xE2\x80\xA6";  // U+2026
  for (const auto& character : std::span(characters).last(kEndCount - 1)) label += character;
  return label;
}

std::string number_text(std::optional<double> number, int decimals) {
  if (!number || !std::isfinite(*number)) return "-";
  // Beyond that, decimals say nothing, and digits fill lines.
  if (std::abs(*number) >= 1e7) return text(tools::format_fixed(*number / 1e6, 0), "e6");
  return tools::format_fixed(*number, decimals);
}

std::string percent_text(double part, double whole) {
  return whole > 0 ? number_text(100 * part / whole, 1) + " %" : "-";
}

std::string seconds_text(double seconds) {
  if (!(seconds < kSecondsMax)) return "-";
  if (seconds >= 0.1) return tools::format_seconds(seconds);
  return text(tools::format_fixed(seconds * 1e3, seconds < 0.01 ? 2 : 1), " ms");
}

std::string bytes_text(double bytes) {
  if (!(bytes < kBytesMax)) return "-";
  return tools::format_size(static_cast<uint64_t>(std::max(bytes, 0.0) + 0.5));
}

}  // namespace qload::analyze
