// qpack analyze: what compresses in a model, and why.
#pragma once

#include "tools/commands/session.h"

namespace qload::tools {

void add_analyze_command(CommandLine& line, Session& session);

}  // namespace qload::tools
