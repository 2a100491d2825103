// The sentences under a plan.
#include <cmath>

#include "format/base/format_text.h"
#include "tools/plan/load_plan.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

std::string binding_text(const PlannedForm& form) {
  if (form.cold.storage_binds()) return "storage binds it";
  return form.cold.touch_seconds > form.cold.decode_seconds ? "first touch of its memory binds it"
                                                            : "decoding binds it";
}

/// Three significant digits of what a load takes, down to microseconds: loads of small models
/// differ in the third.
std::string duration_text(double seconds) {
  if (seconds >= 1) return format_seconds(seconds);
  int decimals = 3;
  for (double next = 0.1; seconds < next && decimals < 6; next /= 10) ++decimals;
  return format_fixed(seconds, decimals) + " s";
}

/// Why a packed load is not faster: the largest part of it, or what made that so large.
std::string loss_reason(const LoadPlan& plan) {
  const PlannedForm& plain = plan.forms.front();
  const LoadTime& packed = plan.forms.back().cold;
  const double work_seconds = packed.total() - packed.overhead_seconds;
  if (packed.overhead_seconds >= work_seconds) {
    return text("a load's fixed costs (", duration_text(packed.overhead_seconds),
                ") outweigh reading and decoding (", duration_text(work_seconds), ")");
  }
  if (plain.cold.total() >= kWorthMin * work_seconds) {
    return "what it saves in reading, a load's fixed costs take";
  }
  if (packed.storage_binds()) {
    // It waits for reading, and reading the plain file takes no longer.
    const double ratio =
        static_cast<double>(plain.bytes) / static_cast<double>(plan.forms.back().bytes);
    return text("these weights hardly compress (ratio ", format_fixed(ratio, 3), ")");
  }
  if (packed.touch_seconds > packed.decode_seconds) {
    return plain.cold.storage_binds()
               ? "the first touch of its memory takes longer than decoding, and both longer than "
                 "what they save in reading"
               : "even the plain file is read faster than its memory is touched for the first time";
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
                          duration_text(packed.cold.total()), " instead of ",
                          duration_text(plain.cold.total()), "); ", binding_text(packed), "."));
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
                                duration_text(plain.cached.total()), " instead of ",
                                duration_text(packed.cached.total()),
                                "): pack models that are loaded cold.")
                         : "From the page cache the packed model is no slower.");
  }
  return advice;
}

}  // namespace qload::tools
