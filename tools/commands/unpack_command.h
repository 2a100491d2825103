// qpack unpack: a container back into the files it was packed from.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_unpack_command(CommandLine& line, Session& session);

}  // namespace qload::tools
