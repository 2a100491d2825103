// Analyses of model files for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "format/base/try.h"
#include "tests/support/test_files.h"
#include "tools/analyze/analyze_model.h"

namespace qload::test {

inline Result<analyze::ModelAnalysis> try_analyze(const std::filesystem::path& path,
                                                  analyze::AnalyzeOptions options = {},
                                                  bool for_target = false) {
  if (options.target.name.empty()) options.target = *tools::find_built_in_profile("mid");
  const std::function<void(const PackProgress&)> silent;
  ProgressMeter progress(silent, 0);
  analyze::OpenOptions open{.threads = options.threads};
  if (for_target) open.target = options.target.device;
  QLOAD_TRY(const auto model, analyze::open_chunked_model(path, open, progress, {}));
  return analyze::analyze_model(*model, options, progress, {});
}

inline analyze::ModelAnalysis analyze_file(const std::filesystem::path& path,
                                           const analyze::AnalyzeOptions& options = {},
                                           bool for_target = false) {
  auto analysis = try_analyze(path, options, for_target);
  if (!analysis.ok()) {
    ADD_FAILURE() << path << ": " << analysis.error().message();
    return {};
  }
  return std::move(*analysis);
}

/// The tensor of that name; fails the running test when there is none.
inline const analyze::TensorAnalysis& tensor_of(const analyze::ModelAnalysis& analysis,
                                                std::string_view name) {
  for (const analyze::TensorAnalysis& tensor : analysis.tensors) {
    if (tensor.name == name) return tensor;
  }
  ADD_FAILURE() << "no tensor " << name;
  static const analyze::TensorAnalysis none;
  return none;
}

}  // namespace qload::test
