// Messages of the tools, on stderr: "qpack: error: ...". Results go to stdout, never through here.
#pragma once

#include <string_view>

namespace qload::tools {

enum class Verbosity { kQuiet, kNormal, kVerbose };

/// Call once, before the first message. Quiet keeps errors, verbose adds details.
void start_logging(Verbosity verbosity);

void log_error(std::string_view message);
void log_warning(std::string_view message);
void log_detail(std::string_view message);

}  // namespace qload::tools
