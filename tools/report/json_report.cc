#include "tools/report/json_report.h"

#include <nlohmann/json.hpp>

namespace qload::tools {

struct JsonReport::Value {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
};

JsonReport::JsonReport() : value_(std::make_unique<Value>()) {}
JsonReport::~JsonReport() = default;
JsonReport::JsonReport(JsonReport&&) noexcept = default;
JsonReport& JsonReport::operator=(JsonReport&&) noexcept = default;

void JsonReport::set(std::string_view key, std::string_view value) {
  value_->json[std::string(key)] = std::string(value);
}
void JsonReport::set(std::string_view key, bool value) { value_->json[std::string(key)] = value; }
void JsonReport::set(std::string_view key, double value) { value_->json[std::string(key)] = value; }
void JsonReport::set(std::string_view key, std::optional<double> value) {
  value ? set(key, *value) : set_null(key);
}
void JsonReport::set_number(std::string_view key, uint64_t value) {
  value_->json[std::string(key)] = value;
}
void JsonReport::set(std::string_view key, JsonReport value) {
  value_->json[std::string(key)] = std::move(value.value_->json);
}
void JsonReport::set_null(std::string_view key) { value_->json[std::string(key)] = nullptr; }

void JsonReport::set_list(std::string_view key, std::span<const uint64_t> values) {
  auto list = nlohmann::ordered_json::array();
  for (const uint64_t value : values) list.push_back(value);
  value_->json[std::string(key)] = std::move(list);
}
void JsonReport::set_list(std::string_view key, std::span<const std::string> values) {
  auto list = nlohmann::ordered_json::array();
  for (const std::string& value : values) list.push_back(value);
  value_->json[std::string(key)] = std::move(list);
}
void JsonReport::set_list(std::string_view key, std::vector<JsonReport> values) {
  auto list = nlohmann::ordered_json::array();
  for (JsonReport& value : values) list.push_back(std::move(value.value_->json));
  value_->json[std::string(key)] = std::move(list);
}

std::string JsonReport::render() const {
  return value_->json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string JsonReport::render_line() const {
  return value_->json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace qload::tools
