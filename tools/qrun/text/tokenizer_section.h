// Section: one object of a tokenizer.json, read field by field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qload/result.h"

namespace qload::qrun {

/// A view: the JSON must outlive it. Errors begin with where the object stands; what is absent or
/// of the wrong kind is kCorrupt.
class Section {
 public:
  static Result<Section> open(const nlohmann::json& value, std::string where);
  /// The stages of a pipeline: none when the field is absent or null, those in its list
  /// `stage_list` when it is of type Sequence, else the field itself.
  static Result<std::vector<Section>> open_stages(const Section& parent, const char* field,
                                                  const char* stage_list);

  /// Null when the field is absent or JSON's null.
  const nlohmann::json* find(const char* field) const;
  Result<const nlohmann::json*> list(const char* field) const;
  Result<std::string> string(const char* field) const;
  Result<bool> flag(const char* field) const;
  /// `otherwise` when the field is absent.
  Result<bool> flag(const char* field, bool otherwise) const;
  Result<uint32_t> number(const char* field) const;

  /// kUnsupported when there is another field: it may change what the known ones mean.
  Status check_fields(std::initializer_list<std::string_view> known) const;
  /// kUnsupported unless the field is this JSON value, which the message shows.
  Status require(const char* field, const nlohmann::json& wanted) const;

  Error unsupported(std::string_view message) const;
  Error corrupt(std::string_view message) const;

 private:
  Section(const nlohmann::json& object, std::string where)
      : object_(&object), where_(std::move(where)) {}

  const nlohmann::json* object_;
  std::string where_;
};

}  // namespace qload::qrun
