// JSON for scripts: an object built field by field, in the order of writing.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qload::tools {

/// One JSON object. Move-only. Text that is not UTF-8 is written with replacement characters.
class JsonReport {
 public:
  JsonReport();
  ~JsonReport();
  JsonReport(JsonReport&&) noexcept;
  JsonReport& operator=(JsonReport&&) noexcept;

  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, const std::string& value) { set(key, std::string_view(value)); }
  void set(std::string_view key, bool value);
  void set(std::string_view key, double value);
  template <std::unsigned_integral T>
  void set(std::string_view key, T value) {
    set_number(key, value);
  }
  /// null for nothing. A number that JSON has no form for (infinity, NaN) is null, too.
  void set(std::string_view key, std::optional<double> value);
  void set(std::string_view key, JsonReport value);
  void set_null(std::string_view key);
  void set_list(std::string_view key, std::span<const uint64_t> values);
  void set_list(std::string_view key, std::span<const std::string> values);
  void set_list(std::string_view key, std::vector<JsonReport> values);

  /// Indented by two spaces, with a newline at the end.
  std::string render() const;
  /// On one line, without a newline.
  std::string render_line() const;

 private:
  void set_number(std::string_view key, uint64_t value);
  struct Value;
  std::unique_ptr<Value> value_;
};

}  // namespace qload::tools
