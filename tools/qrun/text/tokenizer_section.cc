#include "tools/qrun/text/tokenizer_section.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

std::string shown(const Json& value) { return quote(value.dump(), 120); }

}  // namespace

Error Section::unsupported(std::string_view message) const {
  return Error(ErrorCode::kUnsupported, text(where_, ": ", message));
}
Error Section::corrupt(std::string_view message) const {
  return Error(ErrorCode::kCorrupt, text(where_, ": ", message));
}

Result<Section> Section::open(const Json& value, std::string where) {
  const Section section(value, std::move(where));
  if (!value.is_object()) return section.corrupt(text(shown(value), ", expected an object"));
  return section;
}

Result<std::vector<Section>> Section::open_stages(const Section& parent, const char* field,
                                                  const char* stage_list) {
  std::vector<Section> stages;
  const Json* value = parent.find(field);
  if (value == nullptr) return stages;
  QLOAD_TRY(const Section only, open(*value, field));
  QLOAD_TRY(const std::string type, only.string("type"));
  if (type != "Sequence") {
    stages.push_back(only);
    return stages;
  }
  QLOAD_CHECK(only.check_fields({"type", stage_list}));
  QLOAD_TRY(const Json* const list, only.list(stage_list));
  for (const Json& item : *list) {
    QLOAD_TRY(const Section stage, open(item, text(field, " ", stages.size())));
    stages.push_back(stage);
  }
  return stages;
}

const Json* Section::find(const char* field) const {
  const auto found = object_->find(field);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

Result<const Json*> Section::list(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return corrupt(text(quote(field), " is absent"));
  if (value->is_array()) return value;
  return corrupt(text(quote(field), " is ", shown(*value), ", expected a list"));
}

Result<std::string> Section::string(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return corrupt(text(quote(field), " is absent"));
  if (value->is_string()) return value->get<std::string>();
  return corrupt(text(quote(field), " is ", shown(*value), ", expected a string"));
}

Result<bool> Section::flag(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return corrupt(text(quote(field), " is absent"));
  if (value->is_boolean()) return value->get<bool>();
  return corrupt(text(quote(field), " is ", shown(*value), ", expected true or false"));
}

Result<bool> Section::flag(const char* field, bool otherwise) const {
  return find(field) == nullptr ? otherwise : flag(field);
}

Result<uint32_t> Section::number(const char* field) const {
  const Json* value = find(field);
  if (value == nullptr) return corrupt(text(quote(field), " is absent"));
  if (value->is_number_unsigned() && value->get<uint64_t>() <= UINT32_MAX) {
    return value->get<uint32_t>();
  }
  return corrupt(text(quote(field), " is ", shown(*value), ", expected a whole number of 32 bits"));
}

Status Section::check_fields(std::initializer_list<std::string_view> known) const {
  for (const auto& [name, value] : object_->items()) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return unsupported(
        text("field ", quote(name), " is ", shown(value), ", which is not known here"));
  }
  return Ok{};
}

Status Section::require(const char* field, const Json& wanted) const {
  const Json* value = find(field);
  if (value != nullptr && *value == wanted) return Ok{};
  return unsupported(text(quote(field), " is ", value == nullptr ? "absent" : shown(*value),
                          ", this engine knows ", shown(wanted)));
}

}  // namespace qload::qrun
