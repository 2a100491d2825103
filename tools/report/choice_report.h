// What `inspect --why` prints: tensors of one kind and choice on a line, or JSON for one tensor.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tools/report/choice_reason.h"
#include "tools/report/json_report.h"

namespace qload::tools {

/// A name with every number between dots or slashes as '*': "model.layers.*.fc1.weight".
std::string kind_name(std::string_view name);

/// Gathers tensors in load order and renders them in groups: the same kind of name, type and form,
/// and the same choice. Where that makes more than kGroupsMax groups, the name does not count.
class ChoiceReport {
 public:
  explicit ChoiceReport(const ChoiceTerms& terms) : terms_(terms) {}
  void add(std::string_view name, std::string_view dtype, const ChoiceTotals& totals);
  /// A tensor of `bytes` bytes that has the chunks of `owner`.
  void add_shared(std::string_view name, std::string_view dtype, uint64_t bytes,
                  std::string_view owner);
  std::string render() const;
  static constexpr size_t kGroupsMax = 100;  ///< What a person looks through.

 private:
  struct Group {
    std::string title;   ///< The name, or what the names have in common.
    std::string choice;  ///< Type, form and choice: equal when only the names differ.
    std::string dtype;
    std::string shared;  ///< The reason, when the chunks are another's.
    bool other_names = false;
    uint64_t tensor_count = 0;
    uint64_t bytes = 0;
    ChoiceTotals totals;
  };
  Group& group(std::string_view name, std::string_view dtype, const std::string& choice);
  std::vector<Group> merge_names() const;
  std::string render_group(const Group& group) const;

  ChoiceTerms terms_;
  std::vector<Group> groups_;
  std::map<std::string, size_t> by_key_;
};

JsonReport choice_json(const ChoiceTotals& totals, const ChoiceTerms& terms);
JsonReport shared_choice_json(std::string_view owner);
/// The device and the least gain that all choices of a report are for.
JsonReport terms_json(const ChoiceTerms& terms);

}  // namespace qload::tools
