#include "tools/report/choice_report.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"
#include "tools/report/text_table.h"

namespace qload::tools {
namespace {

std::string indent(const std::string& lines) {
  std::string out;
  size_t begin = 0;
  while (begin < lines.size()) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    out += text("  ", lines.substr(begin, end - begin), "\n");
    begin = end + 1;
  }
  return out;
}

std::string_view filter_name(FilterId id) {
  const Filter* filter = find_filter(id);
  return filter == nullptr ? "unknown" : filter->name;
}

/// "5.05 bits/byte", and of each stream where a filter made several.
std::string entropy_text(const ChoiceTotals& totals) {
  const auto bits = [](uint64_t entropy_bits, uint64_t bytes) {
    return format_fixed(static_cast<double>(entropy_bits) / static_cast<double>(bytes), 2);
  };
  std::string out =
      text("order-0 entropy ", bits(totals.entropy_bits, totals.decoded_bytes), " bits/byte");
  const FilterId filter = totals.main_filter();
  if (filter == FilterId::kNone) return out;
  out += text("; after ", filter_name(filter));
  for (const StreamTotals& stream : totals.streams.at(filter)) {
    if (stream.bytes > 0) out += text(" ", bits(stream.entropy_bits, stream.bytes));
  }
  return out;
}

/// Storing by way of staging memory is raw, only dearer: it is compared, and tells nothing.
bool is_plain_store(const PlanTotals& plan) {
  return plan.kind == PlanKind::kFilter && plan.filter == FilterId::kNone &&
         plan.chosen_count == 0 && plan.name() == "store";
}

/// One line a plan; nothing where no other plan saves anything.
std::string render_plans(const ChoiceTotals& totals) {
  const bool any_saves = std::ranges::any_of(
      totals.plans, [](const PlanTotals& plan) { return plan.saved_share() > 0; });
  const PlanTotals* chosen = totals.chosen();
  if (!any_saves || chosen->name() == "constant") return "";
  TextTable table({"", "plan", ">ratio", ">cost", ">read s/GB", ">decode s/GB", ">chunks"});
  for (const PlanTotals& plan : totals.plans) {
    if (is_plain_store(plan)) continue;
    table.add_row({&plan == chosen ? "*" : "", plan.name(),
                   format_fixed(plan.decoded_bytes / plan.stored_bytes, 3),
                   format_fixed(plan.relative_cost(), 3),
                   format_fixed(plan.read_seconds_per_gb(), 3),
                   format_fixed(plan.decode_seconds_per_gb(), 3),
                   text(plan.chosen_count, " of ", plan.chunk_count)});
  }
  return indent(table.render());
}

}  // namespace

std::string kind_name(std::string_view name) {
  std::string out;
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find_first_of("./", begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    const bool number =
        !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    out += number ? "*" : std::string(part);
    if (end < name.size()) out += name[end];
    begin = end + 1;
  }
  return out;
}

ChoiceReport::Group& ChoiceReport::group(std::string_view name, std::string_view dtype,
                                         const std::string& choice) {
  const std::string key = text(kind_name(name), '\0', dtype, '\0', choice);
  const auto [known, is_new] = by_key_.try_emplace(key, groups_.size());
  if (is_new) {
    groups_.push_back({.title = std::string(name),
                       .choice = text(dtype, '\0', choice),
                       .dtype = std::string(dtype)});
  }
  Group& group = groups_[known->second];
  if (!is_new) group.title = kind_name(name);
  ++group.tensor_count;
  return group;
}

void ChoiceReport::add(std::string_view name, std::string_view dtype, const ChoiceTotals& totals) {
  // The main form and plan, not how many others there are.
  const auto main = [](const std::string& summary) {
    return summary.substr(0, summary.find(" +"));
  };
  const PlanTotals* chosen = totals.chosen();
  Group& own = group(name, dtype,
                     text(totals.other_choice_count > 0, '\0', main(form_summary(totals.forms)),
                          '\0', chosen == nullptr ? "" : main(chosen->name())));
  own.bytes += totals.decoded_bytes;
  own.totals.add(totals);
}

void ChoiceReport::add_shared(std::string_view name, std::string_view dtype, uint64_t bytes,
                              std::string_view owner) {
  Group& own = group(name, dtype, text("=", kind_name(owner)));
  own.shared = shared_reason(own.tensor_count == 1 ? owner : kind_name(owner));
  own.bytes += bytes;
}

std::vector<ChoiceReport::Group> ChoiceReport::merge_names() const {
  std::vector<Group> merged;
  std::map<std::string_view, size_t> by_choice;
  for (const Group& group : groups_) {
    const auto [known, is_new] = by_choice.try_emplace(group.choice, merged.size());
    if (is_new) {
      merged.push_back(group);
      continue;
    }
    Group& first = merged[known->second];
    first.tensor_count += group.tensor_count;
    first.bytes += group.bytes;
    first.totals.add(group.totals);
    first.other_names = true;
  }
  return merged;
}

std::string ChoiceReport::render_group(const Group& group) const {
  std::string out = printable(group.title);
  if (group.other_names) out += " and others";
  if (group.tensor_count > 1) out += text(": ", group.tensor_count, " tensors of ");
  if (group.tensor_count == 1) out += ": ";
  out += text(group.dtype, ", ", format_size(group.bytes));
  if (!group.shared.empty()) return text(out, "\n  ", group.shared, "\n");
  const ChoiceTotals& totals = group.totals;
  if (totals.chunk_count == 0) return text(out, "\n  ", choice_reason(totals, terms_), "\n");
  return text(out, ", stored as ", form_summary(totals.forms), ", ratio ",
              format_ratio(totals.decoded_bytes, totals.stored_bytes), "\n  ",
              choice_reason(totals, terms_), "\n  ", entropy_text(totals), "\n",
              render_plans(totals));
}

std::string ChoiceReport::render() const {
  std::string out;
  for (const Group& group : groups_.size() > kGroupsMax ? merge_names() : groups_) {
    out += render_group(group) + "\n";
  }
  return out + text("costs are relative to raw, for storage of ",
                    format_rate(terms_.device.storage_bytes_per_second), " and ",
                    terms_.device.decode_threads, " decode threads; ratios are estimates\n");
}

JsonReport choice_json(const ChoiceTotals& totals, const ChoiceTerms& terms) {
  const auto bits_per = [](uint64_t bits, uint64_t bytes) {
    return bytes == 0 ? 0.0 : static_cast<double>(bits) / static_cast<double>(bytes);
  };
  JsonReport json;
  json.set("reason", choice_reason(totals, terms));
  json.set("default_differs", totals.other_choice_count > 0);
  json.set("default_stored_bytes", totals.default_stored_bytes);
  JsonReport forms;
  for (const auto& [form, count] : totals.default_forms) forms.set(form, count);
  json.set("default_forms", std::move(forms));
  json.set("entropy_bits_per_byte", bits_per(totals.entropy_bits, totals.decoded_bytes));
  json.set("filter", filter_name(totals.main_filter()));
  std::vector<JsonReport> streams;
  if (const auto found = totals.streams.find(totals.main_filter()); found != totals.streams.end()) {
    for (const StreamTotals& stream : found->second) {
      if (stream.bytes == 0) continue;
      JsonReport entry;
      entry.set("bytes", stream.bytes);
      entry.set("entropy_bits_per_byte", bits_per(stream.entropy_bits, stream.bytes));
      streams.push_back(std::move(entry));
    }
  }
  json.set_list("streams", std::move(streams));
  std::vector<JsonReport> plans;
  for (const PlanTotals& plan : totals.plans) {
    JsonReport entry;
    entry.set("plan", plan.name());
    entry.set("chosen", &plan == totals.chosen());
    entry.set("chunk_count", plan.chunk_count);
    entry.set("chosen_count", plan.chosen_count);
    entry.set("ratio", plan.decoded_bytes / plan.stored_bytes);
    entry.set("relative_cost", plan.relative_cost());
    entry.set("read_seconds_per_gb", plan.read_seconds_per_gb());
    entry.set("decode_seconds_per_gb", plan.decode_seconds_per_gb());
    plans.push_back(std::move(entry));
  }
  json.set_list("plans", std::move(plans));
  return json;
}

JsonReport shared_choice_json(std::string_view owner) {
  JsonReport json;
  json.set("reason", shared_reason(owner));
  return json;
}

JsonReport terms_json(const ChoiceTerms& terms) {
  JsonReport json;
  json.set("storage_bytes_per_second", terms.device.storage_bytes_per_second);
  json.set("decode_threads", terms.device.decode_threads);
  json.set("decode_weight", terms.device.decode_weight);
  json.set("gain_min", terms.gain_min);
  return json;
}

}  // namespace qload::tools
