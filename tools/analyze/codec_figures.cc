// What each codec makes of the model, at which speed.
#include "format/base/format_text.h"
#include "tools/analyze/report_figures.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

using chart::PointSeries;

constexpr std::array kCodecColors = {chart::Color::kRed, chart::Color::kBlue, chart::Color::kGreen,
                                     chart::Color::kOrange};
// Kinds of fewer bytes are not typical of anything.
constexpr double kWeightyShare = 0.01;

enum class Direction : uint8_t { kEncode, kDecode };

std::optional<double> megabytes_per_second(const CodecFigures& codec, Direction direction) {
  const auto rate = direction == Direction::kEncode ? codec.encode_rate() : codec.decode_rate();
  if (!rate) return rate;
  return *rate / 1e6;
}

std::string codec_name(size_t codec) {
  const auto which = static_cast<ComparedCodec>(codec);
  return which == ComparedCodec::kZstdLiterals ? "zstd literals"
                                               : std::string(compared_codec_name(which));
}

void add_point(PointSeries& series, const std::string& of, const Figures& figures, size_t codec,
               Direction direction) {
  const auto speed = megabytes_per_second(figures.codecs[codec], direction);
  const auto packed = ratio(figures.bytes, figures.codecs[codec].stored_bytes);
  if (!speed || !packed) return;
  series.points.push_back({*speed, *packed,
                           text(codec_name(codec), of, ": ", number_text(speed, 0), " MB/s, ratio ",
                                number_text(packed, 3))});
}

chart::Panel speed_panel(const ModelAnalysis& analysis, Direction direction) {
  const bool encode = direction == Direction::kEncode;
  chart::PointPlot plot{
      .x = {.label = encode ? "MB/s of one core, encoding" : "MB/s of one core, decoding",
            .logarithmic = true},
      .y = {.label = "ratio"},
      .series = {}};
  for (size_t codec = 0; codec < kComparedCodecCount; ++codec) {
    PointSeries whole{.name = codec_name(codec),
                      .color = kCodecColors[codec],
                      .marks = PointSeries::Marks::kDots};
    add_point(whole, ", all tensors", analysis.total, codec, direction);
    PointSeries kinds{.name = codec_name(codec),
                      .color = kCodecColors[codec],
                      .marks = PointSeries::Marks::kDots,
                      .faint = true};
    for (const KindAnalysis& kind : analysis.kinds) {
      const auto share = static_cast<double>(kind.figures.bytes);
      if (share < kWeightyShare * static_cast<double>(analysis.total.bytes)) continue;
      add_point(kinds, text(", ", tensor_kind_name(kind.kind)), kind.figures, codec, direction);
    }
    plot.series.push_back(std::move(whole));
    plot.series.push_back(std::move(kinds));
  }
  if (const auto bound = chunk_ratio_bound(analysis.total)) {
    plot.references.push_back(
        {chart::ReferenceLine::Axis::kY, *bound, text("order-0 bound ", number_text(bound, 3))});
  }
  return {.title = encode ? "Encoding" : "Decoding", .plot = std::move(plot)};
}

NumberTable codec_numbers(const ModelAnalysis& analysis) {
  const Figures& total = analysis.total;
  NumberTable table{.titles = {"codec", ">ratio", ">stored", ">encode", ">decode", ">measured on"},
                    .rows = {}};
  const auto rate = [](std::optional<double> value) {
    return value ? tools::format_rate(*value) : std::string("-");
  };
  for (size_t codec = 0; codec < kComparedCodecCount; ++codec) {
    const CodecFigures& figures = total.codecs[codec];
    table.rows.push_back(
        {codec_name(codec), number_text(ratio(total.bytes, figures.stored_bytes), 3),
         bytes_text(figures.stored_bytes), rate(figures.encode_rate()), rate(figures.decode_rate()),
         bytes_text(static_cast<double>(figures.measured_bytes))});
  }
  table.rows.push_back({analysis.format == "container" ? "as packed" : "qpack pack",
                        number_text(ratio(total.bytes, total.packed.stored_bytes), 3),
                        bytes_text(total.packed.stored_bytes), "-", "-", "-"});
  return table;
}

}  // namespace

ReportSection codec_section(const ModelAnalysis& analysis) {
  ReportSection section{.name = "codecs", .title = "Codecs", .figures = {}};
  bool is_measured = false;
  for (const CodecFigures& codec : analysis.total.codecs) {
    is_measured = is_measured || codec.measured_bytes > 0;
  }
  if (!is_measured) return section;
  section.figures.push_back(
      {.name = "codec_speed",
       .chart = {.title = "Speed against ratio of each codec",
                 .description = "Dots: speed of one core and ratio of each codec, encoding and "
                                "decoding. Further right is faster, further up is smaller.",
                 .panels = {speed_panel(analysis, Direction::kEncode),
                            speed_panel(analysis, Direction::kDecode)},
                 .columns = 2},
       .caption =
           text("Measured here on ", analysis.measured_chunk_count, " of ", analysis.chunk_count,
                " chunks, one core, each codec with the filter that packing with it alone "
                "would choose. Large dots: all tensors; pale dots: kinds of tensors."),
       .numbers = codec_numbers(analysis)});
  return section;
}

}  // namespace qload::analyze
