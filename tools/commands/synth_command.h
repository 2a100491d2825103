// qpack synth: writes a model that looks trained.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_synth_command(CommandLine& line, Session& session);

}  // namespace qload::tools
