// qpack load: loads a container as an engine would, and reports what the load did.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_load_command(CommandLine& line, Session& session);

}  // namespace qload::tools
