// qpack quantize: floats to codes and scales.
#pragma once

#include "tools/commands/command_line.h"
#include "tools/commands/session.h"

namespace qload::tools {

void add_quantize_command(CommandLine& line, Session& session);

}  // namespace qload::tools
