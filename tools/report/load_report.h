// The statistics of a load, for people and for scripts.
#pragma once

#include <string>

#include "qload/options.h"
#include "tools/report/json_report.h"

namespace qload::tools {

/// Every field of `statistics`, under its own name, and decoded_bytes_per_second.
JsonReport statistics_json(const LoadStatistics& statistics);
/// The same in a few lines.
std::string statistics_text(const LoadStatistics& statistics);

}  // namespace qload::tools
