#include "format/input/weight_map.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/json_events.h"
#include "format/input/source_names.h"
#include "format/input/unique_names.h"

namespace qload {

namespace {

constexpr std::string_view kWeightMap = "weight_map";

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

class WeightMapVisitor : public JsonVisitor {
 public:
  Status begin_object() override {
    if (depth_ == 1 && key_ == kWeightMap) {
      if (std::exchange(seen_map_, true)) return corrupt("duplicate key \"weight_map\"");
      in_map_ = true;
    } else if (in_map_) {
      return expected_string("an object");
    }
    ++depth_;
    return Ok{};
  }
  Status end_object() override {
    --depth_;
    in_map_ = false;
    return Ok{};
  }
  Status begin_array() override {
    if (in_map_) return expected_string("an array");
    QLOAD_CHECK(check_skipped("an array"));
    ++depth_;
    return Ok{};
  }
  Status end_array() override {
    --depth_;
    return Ok{};
  }
  Status key(std::string_view name) override {
    if (depth_ == 1 || in_map_) key_ = name;
    return Ok{};
  }
  Status scalar(const JsonScalar& value) override {
    if (!in_map_) return check_skipped(json_kind_name(value.kind));
    if (value.kind != JsonScalar::Kind::kString) return expected_string(json_kind_name(value.kind));
    if (!is_plain_file_name(value.text)) {
      return corrupt(text("weight_map: tensor ", quote(key_), " is in ", quote(value.text),
                          ", expected a file name without directories"));
    }
    if (entries_.size() == kTensorCountMax) {
      return Error(ErrorCode::kUnsupported, text("more than ", kTensorCountMax, " tensors"));
    }
    entries_.push_back({std::string(value.text), key_});
    return Ok{};
  }

  bool seen_map() const { return seen_map_; }
  std::vector<WeightMapEntry>& entries() { return entries_; }

 private:
  Status expected_string(std::string_view found) const {
    return corrupt(text("weight_map: tensor ", quote(key_), " is ", found, ", expected a string"));
  }
  /// A value that is no weight map: fine, unless it stands where an object must.
  Status check_skipped(std::string_view found) const {
    if (depth_ == 0) return corrupt(text("index is ", found, ", expected an object"));
    if (depth_ == 1 && key_ == kWeightMap) {
      return corrupt(text("weight_map is ", found, ", expected an object"));
    }
    return Ok{};
  }

  uint32_t depth_ = 0;
  bool in_map_ = false;
  bool seen_map_ = false;
  std::string key_;  // The last key of the root or of the weight map.
  std::vector<WeightMapEntry> entries_;
};

}  // namespace

Result<std::vector<WeightMapEntry>> read_weight_map(std::string_view json) {
  WeightMapVisitor visitor;
  QLOAD_CHECK(parse_json(json, 0, visitor));
  if (!visitor.seen_map()) return corrupt("weight_map is missing");
  auto& entries = visitor.entries();
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const auto& entry : entries) names.push_back(entry.tensor);
  if (auto name = find_repeated(std::move(names))) {
    return corrupt(text("weight_map: duplicate key ", quote(*name)));
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.shard, a.tensor) < std::tie(b.shard, b.tensor);
  });
  return std::move(entries);
}

}  // namespace qload
