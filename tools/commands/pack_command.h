// qpack pack: a model file into a container.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_pack_command(CommandLine& line, Session& session);

}  // namespace qload::tools
