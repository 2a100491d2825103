#include "tools/qrun/text/tokenizer_file.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/input/json_events.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

// Real vocabularies have two or three for each token.
constexpr size_t kMergesMax = size_t{8} * kVocabularyTokensMax;
// Added tokens are the most of them, with 8 values each.
constexpr size_t kSettingsMax = 1u << 20;

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// Builds a TokenizerFile from events. Settings become a tree; what "vocab" and "merges" hold goes
/// where it belongs at once.
class TokenizerVisitor : public JsonVisitor {
 public:
  Result<TokenizerFile> take() {
    if (!root_.is_object()) return corrupt("not a JSON object");
    file_.settings = std::make_shared<const Json>(std::move(root_));
    return std::move(file_);
  }

  Status begin_object() override {
    if (place_ != Place::kSettings) return misplaced("an object");
    if (is_at("merges")) return misplaced_list("merges", "an object");
    if (!is_at("vocab")) return open(Json::object());
    place_ = Place::kVocabulary;
    file_.has_numbers = true;
    return Ok{};
  }
  Status end_object() override {
    if (place_ == Place::kSettings) return close();
    place_ = Place::kSettings;
    return Ok{};
  }
  Status begin_array() override {
    if (place_ == Place::kMerges) {
      place_ = Place::kMerge;
      return Ok{};
    }
    if (place_ != Place::kSettings) return misplaced("a list");
    if (is_at("vocab")) return misplaced_list("vocab", "a list");
    if (!is_at("merges")) return open(Json::array());
    place_ = Place::kMerges;
    file_.has_merges = true;
    return Ok{};
  }
  Status end_array() override {
    if (place_ == Place::kSettings) return close();
    if (place_ == Place::kMerge) {
      place_ = Place::kMerges;
      return add_merge();
    }
    place_ = Place::kSettings;
    return Ok{};
  }

  Status key(std::string_view name) override {
    key_ = name;
    if (place_ != Place::kSettings) return Ok{};
    const bool is_known = open_.back()->contains(key_) || (is_at("vocab") && file_.has_numbers) ||
                          (is_at("merges") && file_.has_merges);
    if (is_known) return corrupt(text("key ", quote(key_), " occurs twice"));
    return Ok{};
  }

  Status scalar(const JsonScalar& value) override {
    const bool is_text = value.kind == JsonScalar::Kind::kString;
    switch (place_) {
      case Place::kSettings:
        return put(settings_value(value));
      case Place::kVocabulary:
        return add_number(value);
      case Place::kMerges:
        if (!is_text) break;
        merge_ = split_at_spaces(value.text);
        return add_merge();
      case Place::kMerge:
        if (!is_text || merge_.size() == 2) break;
        merge_.emplace_back(value.text);
        return Ok{};
    }
    return misplaced(json_kind_name(value.kind));
  }

 private:
  enum class Place { kSettings, kVocabulary, kMerges, kMerge };

  static Json settings_value(const JsonScalar& value) {
    switch (value.kind) {
      case JsonScalar::Kind::kBool:
        return value.number != 0;
      case JsonScalar::Kind::kUnsigned:
        return value.number;
      case JsonScalar::Kind::kString:
        return std::string(value.text);
      case JsonScalar::Kind::kOther:
        return -1;  // No setting known here may be negative or a fraction; which one is all the
                    // same.
      case JsonScalar::Kind::kNull:
        break;
    }
    return nullptr;
  }
  static std::vector<std::string> split_at_spaces(std::string_view line) {
    std::vector<std::string> parts;
    while (true) {
      const size_t space = line.find(' ');
      parts.emplace_back(line.substr(0, space));
      if (space == std::string_view::npos || parts.size() == 3) return parts;
      line.remove_prefix(space + 1);
    }
  }

  /// The next value is the model's field `name`.
  bool is_at(std::string_view name) const {
    return open_.size() == 2 && open_[1] == model_ && key_ == name;
  }
  Error misplaced(std::string_view kind) const {
    return corrupt(text(kind, " in ", place_ == Place::kVocabulary ? "vocab" : "merges"));
  }
  /// Models of other types have lists of other shapes.
  Error misplaced_list(std::string_view name, std::string_view found) const {
    const auto type = model_->find("type");
    return Error(ErrorCode::kUnsupported,
                 text("model of type ", type == model_->end() ? "unknown" : quote(type->dump(), 40),
                      " has ", found, " as ", name, ", this engine knows BPE"));
  }

  Result<Json*> add(Json value) {
    if (++settings_count_ > kSettingsMax) {
      return corrupt(text("settings have more than ", kSettingsMax, " values"));
    }
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_array()) return &parent.emplace_back(std::move(value));
    return &(parent[key_] = std::move(value));
  }
  Status put(Json value) {
    QLOAD_CHECK(add(std::move(value)));
    return Ok{};
  }
  Status open(Json value) {
    const bool is_model = open_.size() == 1 && key_ == "model";
    QLOAD_TRY(Json* const added, add(std::move(value)));
    if (is_model) model_ = added;
    open_.push_back(added);
    return Ok{};
  }
  Status close() {
    open_.pop_back();
    return Ok{};
  }

  Status add_number(const JsonScalar& value) {
    if (value.kind != JsonScalar::Kind::kUnsigned || value.number >= kVocabularyTokensMax) {
      return corrupt(text("token ", quote(key_), " is ",
                          value.kind == JsonScalar::Kind::kUnsigned
                              ? std::to_string(value.number)
                              : std::string(json_kind_name(value.kind)),
                          ", expected a number less than ", kVocabularyTokensMax));
    }
    if (file_.numbers.emplace(key_, static_cast<uint32_t>(value.number)).second) return Ok{};
    return corrupt(text("token ", quote(key_), " occurs twice"));
  }
  Status add_merge() {
    const size_t count = file_.merges.size();
    if (count == kMergesMax) return corrupt(text("more than ", kMergesMax, " merges"));
    if (merge_.size() != 2) {
      return corrupt(text("merge ", count, " has ", merge_.size(), " texts, expected 2"));
    }
    file_.merges.emplace_back(std::move(merge_[0]), std::move(merge_[1]));
    merge_.clear();
    return Ok{};
  }

  TokenizerFile file_;
  Json root_;
  std::vector<Json*> open_;  // Objects and lists not closed yet, outermost first.
  Json* model_ = nullptr;
  std::string key_;  // The last one.
  std::vector<std::string> merge_;
  size_t settings_count_ = 0;
  Place place_ = Place::kSettings;
};

}  // namespace

Result<TokenizerFile> parse_tokenizer_file(std::string_view json) {
  if (json.size() > kTokenizerBytesMax) {
    return corrupt(text(json.size(), " bytes, expected at most ", kTokenizerBytesMax));
  }
  TokenizerVisitor visitor;
  QLOAD_CHECK(parse_json(json, 0, visitor));
  return visitor.take();
}

}  // namespace qload::qrun
