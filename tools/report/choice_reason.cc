#include "tools/report/choice_reason.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

// Decoding rates within this factor are called the same.
constexpr double kSameSpeed = 1.05;

/// The cheapest plan that codes something and is not `chosen`; null when there is none.
const PlanTotals* best_other(const ChoiceTotals& totals, const PlanTotals* chosen) {
  const PlanTotals* best = nullptr;
  for (const PlanTotals& plan : totals.plans) {
    if (&plan == chosen || plan.kind == PlanKind::kRaw || plan.saved_share() <= 0) continue;
    if (best == nullptr || plan.relative_cost() < best->relative_cost()) best = &plan;
  }
  return best;
}

/// True when the plan's streams cost records in the index that count: in small chunks.
bool has_records(const PlanTotals& plan) {
  const double stored_seconds = plan.raw_cost * plan.stored_bytes / plan.decoded_bytes;
  return plan.read_seconds > stored_seconds * (1 + kFilterGainMin);
}

std::string stored_reason(const ChoiceTotals& totals, const ChoiceTerms& terms) {
  const std::string asked = percent_text(terms.gain_min);
  const PlanTotals* best = best_other(totals, nullptr);
  if (best == nullptr) {
    return text("stored: no plan saves the ", asked, " that --gain-min asks for");
  }
  const std::string saving = percent_text(best->saved_share());
  if (best->saved_share() < terms.gain_min) {
    return text("stored: the best plan would save ", saving, " and --gain-min asks for ", asked);
  }
  if (best->relative_cost() > 1 - kFilterGainMin) {
    return text("stored: ", best->name(), " would save ", saving, " of the bytes to read, which ",
                has_records(*best) ? "its records in the index and its decoding eat up"
                                   : "its decoding eats up");
  }
  return text("stored: ", best->name(), " saves less than the ", asked,
              " that --gain-min asks for once it is encoded; ", saving, " was estimated");
}

/// What stands against the plan that comes second.
std::string against(const PlanTotals& chosen, const PlanTotals& other) {
  const double slower = other.decode_seconds_per_gb() / chosen.decode_seconds_per_gb();
  std::string out = text("; ", other.name(), " would save ");
  const double more = other.saved_share() - chosen.saved_share();
  if (more < 0) out += "only ";
  out += percent_text(other.saved_share());
  if (slower > kSameSpeed) {
    return out + text(more < 0 ? " and" : " but", " decode ", format_fixed(slower, 1),
                      " times as slowly");
  }
  if (more < 0) return out;
  return out + (has_records(other) ? " but for its records in the index" : ", too little to count");
}

std::string coded_reason(const ChoiceTotals& totals, const PlanTotals& chosen,
                         const ChoiceTerms& terms) {
  const std::string name = chosen.name();
  if (name == "constant") return name;
  std::string out = text(name, ": ", percent_text(chosen.saved_share()), " fewer bytes to read, ",
                         format_fixed(chosen.decode_seconds_per_gb(), 2), " s/GB of decoding on ",
                         terms.device.decode_threads, " threads");
  if (const PlanTotals* other = best_other(totals, &chosen)) out += against(chosen, *other);
  return out;
}

/// What a container packed with other options has instead of the default's choice.
std::string other_options_text(const ChoiceTotals& totals) {
  std::string out =
      text("packed with other options than the default's, as ", form_summary(totals.forms));
  const std::string chosen = form_summary(totals.default_forms);
  if (chosen != form_summary(totals.forms)) {
    out += text("; the default would choose ", chosen);
  } else {
    out += "; the default would choose differently";
  }
  if (totals.other_choice_count < totals.chunk_count) {
    out += text(" for ", totals.other_choice_count, " of ", totals.chunk_count, " chunks");
  }
  return out + text(" (", format_size(totals.default_stored_bytes), " instead of ",
                    format_size(totals.stored_bytes), "): ");
}

void add_counts(FormCounts& counts, const FormCounts& others) {
  for (const auto& [name, count] : others) counts[name] += count;
}

}  // namespace

PlanTotals& ChoiceTotals::plan(PlanKind kind, FilterId filter) {
  for (PlanTotals& known : plans) {
    if (known.kind == kind && known.filter == filter) return known;
  }
  plans.push_back({.kind = kind, .filter = filter});
  return plans.back();
}

void ChoiceTotals::add(const ChoiceTotals& other) {
  chunk_count += other.chunk_count;
  decoded_bytes += other.decoded_bytes;
  stored_bytes += other.stored_bytes;
  entropy_bits += other.entropy_bits;
  default_stored_bytes += other.default_stored_bytes;
  other_choice_count += other.other_choice_count;
  add_counts(forms, other.forms);
  add_counts(default_forms, other.default_forms);
  for (const PlanTotals& theirs : other.plans) {
    PlanTotals& ours = plan(theirs.kind, theirs.filter);
    add_counts(ours.names, theirs.names);
    ours.chunk_count += theirs.chunk_count;
    ours.chosen_count += theirs.chosen_count;
    ours.decoded_bytes += theirs.decoded_bytes;
    ours.stored_bytes += theirs.stored_bytes;
    ours.decode_seconds += theirs.decode_seconds;
    ours.read_seconds += theirs.read_seconds;
    ours.cost += theirs.cost;
    ours.raw_cost += theirs.raw_cost;
  }
  for (const auto& [filter, theirs] : other.streams) {
    auto& ours = streams[filter];
    for (size_t i = 0; i < ours.size(); ++i) {
      ours[i].bytes += theirs[i].bytes;
      ours[i].entropy_bits += theirs[i].entropy_bits;
    }
  }
}

const PlanTotals* ChoiceTotals::chosen() const {
  const auto most = std::ranges::max_element(plans, {}, &PlanTotals::chosen_count);
  return most == plans.end() || most->chosen_count == 0 ? nullptr : &*most;
}

FilterId ChoiceTotals::main_filter() const {
  FilterId main = FilterId::kNone;
  uint64_t most = 0;
  for (const auto& [filter, totals] : streams) {
    uint64_t bytes = 0;
    for (const StreamTotals& stream : totals) bytes += stream.bytes;
    if (bytes > most) main = filter;
    most = std::max(most, bytes);
  }
  return main;
}

std::string choice_reason(const ChoiceTotals& totals, const ChoiceTerms& terms) {
  const PlanTotals* chosen = totals.chosen();
  if (chosen == nullptr) return "has no bytes";
  std::string out = totals.other_choice_count > 0 ? other_options_text(totals) : "";
  out += chosen->kind == PlanKind::kRaw ? stored_reason(totals, terms)
                                        : coded_reason(totals, *chosen, terms);
  if (chosen->chosen_count < totals.chunk_count) {
    out += text(" (", chosen->chosen_count, " of ", totals.chunk_count, " chunks)");
  }
  return out;
}

std::string shared_reason(std::string_view owner) {
  return text("shares its chunks with ", printable(owner));
}

std::string percent_text(double share) {
  std::string number = format_fixed(100 * share, 1);
  if (number.ends_with(".0")) number.resize(number.size() - 2);
  return number + " %";
}

}  // namespace qload::tools
