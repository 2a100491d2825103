// The sentences under a plan.
#include <cmath>

#include "format/base/format_text.h"
#include "tools/plan/load_plan.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

constexpr double kHardlySmaller = 1.03;

std::string binding_text(const PlannedForm& form) {
  if (form.cold.storage_binds()) return "storage binds it";
  return form.cold.touch_seconds > form.cold.decode_seconds ? "first touch of its memory binds it"
                                                            : "decoding binds it";
}

/// Why a packed load is not faster.
std::string loss_reason(const LoadPlan& plan) {
  const PlannedForm& plain = plan.forms.front();
  const PlannedForm& packed = plan.forms.back();
  const double ratio = static_cast<double>(plain.bytes) / static_cast<double>(packed.bytes);
  const double work_seconds = packed.cold.total() - packed.cold.overhead_seconds;
  if (plain.cold.total() >= kWorthMin * work_seconds) {
    return "what it saves in reading, a load's fixed costs take";
  }
  if (!plain.cold.storage_binds()) {
    return "even the plain file is read faster than its memory is touched for the first time";
  }
  if (ratio < kHardlySmaller) {
    return text("these weights hardly compress (ratio ", format_fixed(ratio, 3), ")");
  }
  return "storage is as fast as this device decodes";
}

}  // namespace

std::vector<std::string> load_advice(const LoadPlan& plan) {
  std::vector<std::string> advice;
  if (plan.tensor_bytes == 0) return {"Packing is not worth it: there is nothing to load."};
  const PlannedForm& plain = plan.forms.front();
  const PlannedForm& packed = plan.forms.back();
  if (plan.speed_up() >= kWorthMin) {
    advice.push_back(text("Packing is worth it on ", printable(plan.target.name), ": ",
                          format_fixed(plan.speed_up(), 2), " times as fast as the plain file (",
                          format_seconds(packed.cold.total()), " instead of ",
                          format_seconds(plain.cold.total()), "); ", binding_text(packed), "."));
  } else {
    advice.push_back(text("Packing is not worth it on ", printable(plan.target.name),
                          " for its load time: ", loss_reason(plan), "."));
  }
  if (plan.forms.size() > 2) {
    const PlannedForm& standard = plan.forms[1];
    const double gain = standard.cold.total() / packed.cold.total();
    advice.push_back(gain >= kWorthMin ? text("--target loads ", format_fixed(gain, 2),
                                              " times as fast as the default recipe.")
                                       : "The default recipe loads as fast as --target.");
  }
  // Without a rate of the page cache the model cannot tell.
  if (std::isfinite(plan.target.device.page_cache_rate)) {
    advice.push_back(plan.cached_speed_up() < 1 / kWorthMin
                         ? text("From the page cache the plain file is faster (",
                                format_seconds(plain.cached.total()), " instead of ",
                                format_seconds(packed.cached.total()),
                                "): pack models that are loaded cold.")
                         : "From the page cache the packed model is no slower.");
  }
  return advice;
}

}  // namespace qload::tools
