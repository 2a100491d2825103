#include "tools/analyze/report_files.h"

#include <utility>
#include <vector>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/analyze/html_report.h"
#include "tools/analyze/report_figures.h"
#include "tools/chart/render_chart.h"

namespace qload::analyze {

namespace fs = std::filesystem;

namespace {

fs::path chart_path(const fs::path& directory, const std::string& figure) {
  return directory / (figure + ".svg");
}

Status write_text(AtomicFile& file, uint64_t& offset, std::string_view part) {
  QLOAD_CHECK(file.write_at(offset, std::as_bytes(std::span(part))));
  offset += part.size();
  return Ok{};
}

}  // namespace

struct ReportFiles::State {
  struct Output {
    fs::path path;
    AtomicFile file;
  };

  ~State() {
    if (is_done) return;
    std::error_code ignored;
    for (const fs::path& path : named) fs::remove(path, ignored);
    outputs.clear();  // Temporary files are gone before their directory.
    if (!made_directory.empty()) fs::remove(made_directory, ignored);
  }

  Status make_directory() {
    std::error_code error;
    if (fs::create_directory(paths.charts_directory, error)) {
      made_directory = paths.charts_directory;
    }
    if (error) {
      return error_from_errno(
          text("cannot create directory ", quote(paths.charts_directory.string())), error.value());
    }
    return Ok{};
  }

  Status add(const fs::path& path) {
    QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {.overwrite = paths.overwrite}));
    outputs.push_back({path, std::move(file)});
    return Ok{};
  }

  Status write_page(const ModelAnalysis& analysis, std::span<const ValuePreview> previews,
                    const HtmlOptions& options) {
    uint64_t offset = 0;
    Status status = Ok{};
    const auto sink = [&](std::string_view part) {
      status = write_text(outputs.front().file, offset, part);
      return status.ok();
    };
    write_html_report(analysis, previews, options, sink);
    return status;
  }

  Status write_charts(const ModelAnalysis& analysis, std::span<const ValuePreview> previews) {
    for (const ReportSection& section : report_sections(analysis, previews)) {
      for (const ReportFigure& figure : section.figures) {
        QLOAD_CHECK(add(chart_path(paths.charts_directory, figure.name)));
        uint64_t offset = 0;
        QLOAD_CHECK(write_text(outputs.back().file, offset, chart::render_chart(figure.chart, {})));
      }
    }
    return Ok{};
  }

  Status commit() {
    for (Output& output : outputs) {
      std::error_code ignored;
      const bool is_new = !fs::exists(fs::symlink_status(output.path, ignored));
      QLOAD_CHECK(output.file.commit());
      if (is_new) named.push_back(output.path);
    }
    is_done = true;
    return Ok{};
  }

  ReportPaths paths;
  std::vector<Output> outputs;  // The page first, when there is one.
  std::vector<fs::path> named;  // New ones that have their names.
  fs::path made_directory;
  bool is_done = false;
};

std::optional<fs::path> find_existing(const ReportPaths& paths) {
  std::vector<fs::path> candidates;
  if (!paths.page.empty()) candidates.push_back(paths.page);
  if (!paths.charts_directory.empty()) {
    for (const std::string& name : figure_names()) {
      candidates.push_back(chart_path(paths.charts_directory, name));
    }
  }
  for (const fs::path& path : candidates) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(path, ignored))) return path;
  }
  return std::nullopt;
}

ReportFiles::ReportFiles(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReportFiles::~ReportFiles() = default;
ReportFiles::ReportFiles(ReportFiles&&) noexcept = default;

Result<ReportFiles> ReportFiles::create(const ReportPaths& paths) {
  auto state = std::make_unique<State>();
  state->paths = paths;
  // First: the page may lie among its charts.
  if (!paths.charts_directory.empty()) {
    QLOAD_CHECK(state->make_directory());
    // Created and forgotten: whether files can be.
    QLOAD_CHECK(state->add(chart_path(paths.charts_directory, figure_names().front())));
    state->outputs.clear();
  }
  if (!paths.page.empty()) QLOAD_CHECK(state->add(paths.page));
  return ReportFiles(std::move(state));
}

Status ReportFiles::write(const ModelAnalysis& analysis, std::span<const ValuePreview> previews,
                          const std::string& pattern) {
  State& state = *state_;
  if (!state.paths.page.empty()) {
    QLOAD_CHECK(state.write_page(analysis, previews, {.pattern = pattern, .nonce = make_nonce()}));
  }
  if (!state.paths.charts_directory.empty()) QLOAD_CHECK(state.write_charts(analysis, previews));
  return state.commit();
}

}  // namespace qload::analyze
