// qpack inspect: what a container holds and how it is stored.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_inspect_command(CommandLine& line, Session& session);

}  // namespace qload::tools
