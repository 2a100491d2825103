// qpack verify: checks every byte of a container.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_verify_command(CommandLine& line, Session& session);

}  // namespace qload::tools
