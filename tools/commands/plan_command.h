// qpack plan: what packing a model would give on a device, without doing it.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_plan_command(CommandLine& line, Session& session);

}  // namespace qload::tools
