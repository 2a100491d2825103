#include "tools/plan/load_plan_report.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"
#include "tools/report/text_table.h"

namespace qload::tools {
namespace {

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Columns of seconds: small models load in milliseconds.
std::string seconds_text(double seconds) { return format_fixed(seconds, seconds < 1 ? 4 : 3); }

std::string percent(double value) { return text(format_fixed(value * 100, 1), " %"); }

uint64_t kinds_bytes(const LoadPlan& plan) {
  uint64_t bytes = 0;
  for (const PlannedKind& kind : plan.kinds) bytes += kind.bytes;
  return bytes;
}

/// Forms by their share of the kind's bytes, the largest first: "lane_huffman 97 %, store 3 %".
std::string forms_text(const PlannedKind& kind) {
  std::vector<std::pair<std::string, uint64_t>> forms(kind.forms.begin(), kind.forms.end());
  std::ranges::stable_sort(forms, std::ranges::greater(),
                           &std::pair<std::string, uint64_t>::second);
  constexpr size_t kShown = 2;
  std::string out;
  for (size_t i = 0; i < std::min(forms.size(), kShown); ++i) {
    if (i > 0) out += ", ";
    out += forms[i].first;
    if (forms.size() > 1) out += text(" ", percent(share(forms[i].second, kind.bytes)));
  }
  if (forms.size() > kShown) out += text(" +", forms.size() - kShown);
  return out;
}

/// "-" when there is nothing to load: nothing is as fast as nothing.
std::string speed_up_text(const LoadPlan& plan, const PlannedForm& form) {
  if (plan.tensor_bytes == 0) return "-";
  return format_fixed(plan.forms[0].cold.total() / form.cold.total(), 2);
}

std::string recipe_text(const LoadPlan& plan) {
  if (plan.tensor_bytes == 0) return "-";
  const DeviceRecipe& recipe = plan.recipe;
  std::string out =
      text("a second of decoding counts as ", format_fixed(recipe.weight, 3), " of reading");
  if (recipe.lean_share > 0) {
    out += text(", for ", percent(recipe.lean_share), " of the chunks as ",
                format_fixed(recipe.lean_weight, 3));
  }
  return out;
}

JsonReport time_json(const LoadTime& time) {
  JsonReport json;
  json.set("seconds", time.total());
  json.set("read_seconds", time.read_seconds);
  json.set("decode_seconds", time.decode_seconds);
  json.set("touch_seconds", time.touch_seconds);
  json.set("overhead_seconds", time.overhead_seconds);
  json.set("bound", time.storage_binds()                       ? "storage"
                    : time.touch_seconds > time.decode_seconds ? "destination"
                                                               : "decode");
  return json;
}

JsonReport kind_json(const PlannedKind& kind, uint64_t bytes_total) {
  JsonReport json;
  json.set("dtype", kind.dtype);
  json.set("role", kind.role);
  json.set("tensor_count", kind.tensor_count);
  json.set("bytes", kind.bytes);
  json.set("share", share(kind.bytes, bytes_total));
  json.set("stored_bytes", kind.stored_bytes);
  json.set("ratio", share(kind.bytes, kind.stored_bytes));
  JsonReport forms;
  for (const auto& [form, bytes] : kind.forms) forms.set(form, bytes);
  json.set("forms", std::move(forms));
  return json;
}

}  // namespace

std::string load_plan_text(const std::string& input, const LoadPlan& plan) {
  const TargetDevice& device = plan.target.device;
  std::string out =
      text(printable(input), ": ", plan.tensor_count, " tensors, ", format_size(plan.tensor_bytes));
  if (plan.duplicate_count > 0) out += text(", ", plan.duplicate_count, " duplicates");
  if (plan.is_sampled()) {
    out += text("; from a sample of ", percent(share(plan.sampled_bytes, plan.chunk_bytes)));
  }
  out += text("\ntarget ", printable(plan.target.name), ": ",
              format_rate(device.storage_bytes_per_second), ", ", device.decode_threads,
              " decode threads\n\n");
  TextTable forms({"", ">size", ">ratio", ">read s", ">decode s", ">touch s", ">load s", ">x plain",
                   ">cached s"});
  for (const PlannedForm& form : plan.forms) {
    forms.add_row({printable(form.name), format_size(form.bytes),
                   format_ratio(plan.tensor_bytes, form.bytes),
                   seconds_text(form.cold.read_seconds), seconds_text(form.cold.decode_seconds),
                   seconds_text(form.cold.touch_seconds), seconds_text(form.cold.total()),
                   speed_up_text(plan, form), seconds_text(form.cached.total())});
  }
  out += forms.render() + "\n";
  TextTable kinds({"type", "role", ">tensors", ">share", ">ratio", "stored as"});
  const uint64_t bytes_total = kinds_bytes(plan);
  for (const PlannedKind& kind : plan.kinds) {
    kinds.add_row({kind.dtype, kind.role, std::to_string(kind.tensor_count),
                   percent(share(kind.bytes, bytes_total)),
                   format_ratio(kind.bytes, kind.stored_bytes), forms_text(kind)});
  }
  out += kinds.render();
  if (plan.forms.size() > 2) out += text("recipe: ", recipe_text(plan), "\n");
  out += "\n";
  for (const std::string& sentence : load_advice(plan)) out += sentence + "\n";
  return out;
}

JsonReport load_plan_json(const std::string& input, const LoadPlan& plan) {
  JsonReport json;
  json.set("input", input);
  json.set("target", plan.target.name);
  json.set("tensor_count", plan.tensor_count);
  json.set("duplicate_count", plan.duplicate_count);
  json.set("tensor_bytes", plan.tensor_bytes);
  json.set("sampled_bytes", plan.sampled_bytes);
  json.set("sampled_share", share(plan.sampled_bytes, plan.chunk_bytes));
  std::vector<JsonReport> forms;
  for (const PlannedForm& form : plan.forms) {
    JsonReport entry;
    entry.set("name", form.name);
    entry.set("bytes", form.bytes);
    entry.set("ratio", share(plan.tensor_bytes, form.bytes));
    entry.set("cold", time_json(form.cold));
    entry.set("cached", time_json(form.cached));
    forms.push_back(std::move(entry));
  }
  json.set_list("forms", std::move(forms));
  std::vector<JsonReport> kinds;
  const uint64_t bytes_total = kinds_bytes(plan);
  for (const PlannedKind& kind : plan.kinds) kinds.push_back(kind_json(kind, bytes_total));
  json.set_list("kinds", std::move(kinds));
  if (plan.forms.size() > 2) {
    JsonReport recipe;
    recipe.set("decode_weight", plan.recipe.weight);
    recipe.set("lean_decode_weight", plan.recipe.lean_weight);
    recipe.set("lean_share", plan.recipe.lean_share);
    json.set("recipe", std::move(recipe));
  }
  json.set("worth_packing", plan.tensor_bytes > 0 && plan.speed_up() >= kWorthMin);
  json.set("speed_up", plan.tensor_bytes == 0 ? 1.0 : plan.speed_up());
  json.set("cached_speed_up", plan.tensor_bytes == 0 ? 1.0 : plan.cached_speed_up());
  json.set_list("advice", load_advice(plan));
  return json;
}

}  // namespace qload::tools
