#include "tools/commands/analyze_command.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "tools/analyze/analysis_csv.h"
#include "tools/analyze/analysis_json.h"
#include "tools/analyze/analysis_rows.h"
#include "tools/analyze/analysis_text.h"
#include "tools/analyze/analyze_model.h"
#include "tools/analyze/report_files.h"
#include "tools/analyze/value_preview.h"
#include "tools/logging.h"
#include "tools/report/exit_code.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

using analyze::AnalyzeOptions;
using analyze::ModelAnalysis;
using analyze::RowChoice;
using analyze::RowOrder;

// What a person looks through; scripts get all.
constexpr uint64_t kTextRowsMax = 20;

struct AnalyzeArguments {
  std::string input;
  std::string target;
  std::string sample;
  uint64_t measured_bytes = analyze::kMeasuredBytes;
  std::string pattern;
  std::string sort = "load";
  uint64_t limit = kTextRowsMax;
  uint32_t threads = 0;
  std::string report;
  std::string charts;
  bool force = false;
  bool json = false;
  bool csv = false;

  bool has_reports() const { return !report.empty() || !charts.empty(); }
};

/// "0.1", "10%", "1" as a share; "2G" as a number of bytes.
std::optional<analyze::SampleSize> parse_sample(std::string_view sample) {
  double share = 0;
  const auto [end, error] = std::from_chars(sample.data(), sample.data() + sample.size(), share);
  const std::string_view rest = sample.substr(static_cast<size_t>(end - sample.data()));
  if (error == std::errc{} && rest == "%") share /= 100;
  if (error == std::errc{} && (rest == "%" || (rest.empty() && share <= 1))) {
    if (!(share > 0 && share <= 1)) return std::nullopt;
    return analyze::SampleSize{.share = share};
  }
  const auto bytes = parse_size(sample);
  if (!bytes || *bytes == 0) return std::nullopt;
  return analyze::SampleSize{.bytes = *bytes};
}

RowOrder row_order(const std::string& name) {
  if (name == "name") return RowOrder::kName;
  if (name == "size") return RowOrder::kSize;
  if (name == "entropy") return RowOrder::kEntropy;
  if (name == "ratio") return RowOrder::kRatio;
  if (name == "saved") return RowOrder::kSaved;
  return RowOrder::kLoad;
}

/// Analyzes the model, and writes `reports` when there are any.
Result<ModelAnalysis> analyze_input(const AnalyzeArguments& arguments,
                                    const analyze::SampleSize& sample,
                                    std::optional<analyze::ReportFiles>& reports,
                                    const Session& session) {
  AnalyzeOptions options{.sample = sample, .measured_bytes = arguments.measured_bytes};
  const std::string target =
      arguments.target.empty() ? std::string(kDefaultProfile) : arguments.target;
  QLOAD_TRY(options.target, find_profile(target));
  QLOAD_TRY(const uint32_t threads, choose_thread_count(arguments.threads));
  options.threads = std::min(threads, analyze::kAnalyzeThreadsMax);
  analyze::OpenOptions open{.threads = options.threads};
  if (!arguments.target.empty()) open.target = options.target.device;

  ProgressBar bar(session.progress, "analyze");
  const std::function<void(const PackProgress&)> draw = draw_on(bar);
  ProgressMeter progress(draw, 0);
  const std::stop_token stop = session.interrupt.token();
  QLOAD_TRY(const auto model, open_chunked_model(arguments.input, open, progress, stop));
  for (const std::string& name : model->left_out()) {
    log_warning(text(quote(name), " is not part of the model and is left out"));
  }
  QLOAD_TRY(ModelAnalysis analysis, analyze_model(*model, options, progress, stop));
  analysis.input = arguments.input;
  if (reports) {
    QLOAD_TRY(const auto previews, preview_values(*model, analysis, stop));
    QLOAD_CHECK(reports->write(analysis, previews, arguments.pattern));
  }
  return analysis;
}

/// The files of --report and --charts; nothing without either.
Result<std::optional<analyze::ReportFiles>> open_reports(const AnalyzeArguments& arguments) {
  if (!arguments.has_reports()) return std::optional<analyze::ReportFiles>();
  QLOAD_TRY(analyze::ReportFiles files,
            analyze::ReportFiles::create({.page = arguments.report,
                                          .charts_directory = arguments.charts,
                                          .overwrite = arguments.force}));
  return std::optional(std::move(files));
}

int run_analyze(const AnalyzeArguments& arguments, const Session& session) {
  analyze::SampleSize sample;
  if (!arguments.sample.empty()) {
    const auto parsed = parse_sample(arguments.sample);
    if (!parsed) {
      return fail_usage(text("--sample ", quote(arguments.sample),
                             " is neither a share such as 0.1 or 10% nor a size such as 2G"));
    }
    sample = *parsed;
  }
  if (!arguments.report.empty() && !arguments.report.ends_with(".html")) {
    return fail_usage(text("--report ", quote(arguments.report), " does not end in .html"));
  }
  const auto existing =
      analyze::find_existing({.page = arguments.report, .charts_directory = arguments.charts});
  if (existing) {
    if (const auto refused = refuse_existing(*existing, arguments.force)) return *refused;
  }
  auto reports = open_reports(arguments);
  if (!reports.ok()) return fail(session, reports.error());
  const auto analysis = analyze_input(arguments, sample, *reports, session);
  if (!analysis.ok()) return fail(session, analysis.error());
  RowChoice rows{
      .pattern = arguments.pattern, .order = row_order(arguments.sort), .limit = arguments.limit};
  if (!arguments.json && !arguments.csv) return print_result(analysis_text(*analysis, rows));
  if (arguments.limit == kTextRowsMax) rows.limit = 0;
  const analyze::ReportSink sink = [](std::string_view part) {
    return print_result(part) == kExitOk;
  };
  const bool written = arguments.json ? write_analysis_json(*analysis, rows, sink)
                                      : write_analysis_csv(*analysis, rows, sink);
  return written ? kExitOk : kExitFailed;
}

}  // namespace

void add_analyze_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<AnalyzeArguments>();
  Command command =
      line.add_command("analyze", "Show what compresses in a model, and why",
                       help_footer("qpack analyze model.safetensors --target emmc --sort saved\n"
                                   "  qpack analyze model.gguf --report report.html"),
                       [arguments, &session] { return run_analyze(*arguments, session); });
  AnalyzeArguments& a = *arguments;
  command.positional("input", a.input, "Model file, directory of shards, or a container");
  command.text("--target", a.target,
               "Predict for this device, and choose the recipe for it: a profile's file or mid, "
               "sd, emmc, ufs31, nvme3, nvme4 (default: mid, with the default recipe)");
  command.text("--sample", a.sample,
               "Read only a share (0.1 or 10%) or a size (2G); figures then have errors");
  command.size("--measure", a.measured_bytes,
               "Bytes that codecs are tried on (default: 256M; models below are exact)");
  command.text("--tensors", a.pattern, "Tensors whose names hold this, or match it with wildcards");
  command.choice("--sort", a.sort, {"load", "name", "size", "entropy", "ratio", "saved"},
                 "Order of tensors (default: as they load)");
  command.number("--limit", a.limit, {0, UINT64_MAX},
                 "Tensors to list; 0: all (default: 20, with --json and --csv all)");
  command.number("--threads", a.threads, {0, 1024},
                 "Threads, at most 8 (default: one for each processor)");
  command.text("--report", a.report, "Write a page with charts and tables, one HTML file");
  command.text("--charts", a.charts, "Write each chart into this directory, as SVG");
  command.flag("--force", a.force, "Replace files of --report and --charts");
  command.flag("--json", a.json, "Report as JSON");
  command.flag("--csv", a.csv, "Report as CSV");
  command.exclude("--csv", "--json");
}

}  // namespace qload::tools
