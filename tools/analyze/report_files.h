// Reports as files: whole, or not there.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "qload/result.h"
#include "tools/analyze/model_analysis.h"
#include "tools/analyze/value_preview.h"

namespace qload::analyze {

/// What is written where: nothing for an empty path.
struct ReportPaths {
  std::filesystem::path page;              ///< An HTML file.
  std::filesystem::path charts_directory;  ///< An SVG file for each figure; made when missing.
  bool overwrite = false;
};

/// A file that stands where one may be written; nothing when nothing is in the way.
std::optional<std::filesystem::path> find_existing(const ReportPaths& paths);

/// The files of one report, from before the model is analyzed: what cannot be written is refused
/// then. Move-only. Until write() has succeeded, destroying it leaves no new file and no directory
/// that it made.
class ReportFiles {
 public:
  static Result<ReportFiles> create(const ReportPaths& paths);
  ~ReportFiles();
  ReportFiles(ReportFiles&&) noexcept;

  /// Writes the page and the charts; they get their names when all are written. Call once.
  /// `pattern`: as HtmlOptions has it.
  Status write(const ModelAnalysis& analysis, std::span<const ValuePreview> previews,
               const std::string& pattern);

 private:
  struct State;
  explicit ReportFiles(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace qload::analyze
