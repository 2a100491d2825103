// Decodes a model to an expanded file.
#pragma once

#include <filesystem>

#include "format/base/file.h"
#include "qload/expand.h"
#include "qload/result.h"
#include "runtime/expand/expanded_file.h"
#include "runtime/load/loader_state.h"

namespace qload::internal {

/// Writes the file beside `path`, then gives it that name, replacing what has it; returns it, open.
/// Two windows of memory: one is decoded into while the other is written. On failure nothing is
/// left behind, and what stood at `path` stands there still.
Result<File> write_expanded(LoaderState& state, const ModelState& model,
                            const ExpandedLayout& layout, const std::filesystem::path& path,
                            const ExpandOptions& options, ExpandStatistics& statistics);

}  // namespace qload::internal
