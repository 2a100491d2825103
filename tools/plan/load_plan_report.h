// A load plan for people and for scripts.
#pragma once

#include <string>

#include "tools/plan/load_plan.h"
#include "tools/report/json_report.h"

namespace qload::tools {

std::string load_plan_text(const std::string& input, const LoadPlan& plan);
JsonReport load_plan_json(const std::string& input, const LoadPlan& plan);

}  // namespace qload::tools
