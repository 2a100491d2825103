#include "runtime/cache/cache_units.h"

#include <map>
#include <unordered_map>
#include <utility>

#include "runtime/load/tensor_layout.h"

namespace qload::internal {

namespace {

bool ends_in_digit(std::string_view part) {
  return !part.empty() && part.back() >= '0' && part.back() <= '9';
}

/// Numbers of units, given out in the order in which their tensors come.
class UnitNumbers {
 public:
  uint32_t of_name(std::string_view name) { return number(by_name_, name); }
  uint32_t of_layer(uint32_t stack, uint32_t layer) {
    return number(by_layer_, std::pair(stack, layer));
  }
  uint32_t fresh() { return count_++; }

 private:
  template <class Map, class Key>
  uint32_t number(Map& map, const Key& key) {
    const auto [entry, added] = map.emplace(key, count_);
    if (added) ++count_;
    return entry->second;
  }

  uint32_t count_ = 0;
  std::unordered_map<std::string_view, uint32_t> by_name_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> by_layer_;
};

uint32_t unit_number(const TensorInfo& tensor, CacheUnit unit, UnitNumbers& numbers) {
  if (unit == CacheUnit::kExpert) return numbers.of_name(expert_of(tensor.name));
  if (unit == CacheUnit::kLayer && tensor.layer != kNoLayer) {
    return numbers.of_layer(tensor.stack, tensor.layer);
  }
  return numbers.fresh();
}

}  // namespace

std::string_view expert_of(std::string_view tensor_name) {
  constexpr std::string_view kMark = "experts.";
  for (size_t at = 0; (at = tensor_name.find(kMark, at)) != std::string_view::npos;) {
    const size_t begin = at + kMark.size();
    const size_t end = tensor_name.find('.', begin);
    const bool whole_part = at == 0 || tensor_name[at - 1] == '.';
    if (whole_part && end != std::string_view::npos &&
        ends_in_digit(tensor_name.substr(begin, end - begin))) {
      return tensor_name.substr(0, end);
    }
    at = begin;
  }
  return tensor_name;
}

std::optional<CacheUnits> group_tensors(const ModelState& model, CacheUnit unit) {
  CacheUnits out;
  const size_t tensor_count = model.tensors.size();
  out.unit_of.reserve(tensor_count);
  out.offset_of.resize(tensor_count);
  UnitNumbers numbers;
  for (uint32_t number = 0; number < tensor_count; ++number) {
    const uint32_t group = unit_number(model.tensors[number], unit, numbers);
    if (group >= out.units.size()) out.units.resize(group + 1);
    out.units[group].tensors.push_back(number);
    out.unit_of.push_back(group);
  }
  for (CacheUnitTensors& group : out.units) {
    const auto layout = lay_out_tensors(model, group.tensors, 0);
    if (!layout) return std::nullopt;
    for (size_t i = 0; i < group.tensors.size(); ++i) {
      out.offset_of[group.tensors[i]] = layout->offsets[i];
    }
    group.bytes = layout->end;
  }
  return out;
}

}  // namespace qload::internal
