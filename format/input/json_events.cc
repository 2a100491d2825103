#include "format/input/json_events.h"

#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {

namespace {

/// Walks the text and tells how far the parser has come, which its events do not say.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackedIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

/// The library's handler: turns its calls into ours, keeps the first error, guards the depth.
class Bridge : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Bridge(JsonVisitor& visitor) : visitor_(visitor) {}

  std::optional<Error> take_error() { return std::move(error_); }

  bool null() override { return scalar({}); }
  bool boolean(bool value) override {
    return scalar({.kind = JsonScalar::Kind::kBool, .number = value ? 1u : 0u});
  }
  bool number_integer(number_integer_t) override { return scalar({JsonScalar::Kind::kOther}); }
  bool number_unsigned(number_unsigned_t number) override {
    return scalar({.kind = JsonScalar::Kind::kUnsigned, .number = number});
  }
  // Whole numbers beyond 2^64 - 1 arrive here too.
  bool number_float(number_float_t, const string_t&) override {
    return scalar({.kind = JsonScalar::Kind::kOther});
  }
  bool string(string_t& value) override {
    return scalar({.kind = JsonScalar::Kind::kString, .text = value});
  }
  bool binary(binary_t&) override { return fail("binary value, expected JSON text"); }
  bool start_object(size_t) override { return deeper() && keep(visitor_.begin_object()); }
  bool end_object() override {
    --depth_;
    return keep(visitor_.end_object());
  }
  bool start_array(size_t) override { return deeper() && keep(visitor_.begin_array()); }
  bool end_array() override {
    --depth_;
    return keep(visitor_.end_array());
  }
  bool key(string_t& name) override { return keep(visitor_.key(name)); }
  bool parse_error(size_t, const std::string& last_token,
                   const nlohmann::json::exception& exception) override {
    // what() quotes the text around the error as it stands: quote it again, it may be binary.
    return fail(text("not JSON: found ", quote(last_token), "; ", quote(exception.what(), 200)));
  }

 private:
  bool scalar(const JsonScalar& value) { return keep(visitor_.scalar(value)); }
  bool keep(Status status) {
    if (!status.ok()) error_ = std::move(status).error();
    return !error_;
  }
  bool fail(std::string message) {
    error_ = Error(ErrorCode::kCorrupt, std::move(message));
    return false;
  }
  bool deeper() {
    if (++depth_ <= kJsonDepthMax) return true;
    return fail(text("JSON nested deeper than ", kJsonDepthMax, " levels"));
  }

  JsonVisitor& visitor_;
  std::optional<Error> error_;
  uint32_t depth_ = 0;
};

}  // namespace

std::string_view json_kind_name(JsonScalar::Kind kind) {
  switch (kind) {
    case JsonScalar::Kind::kNull:
      return "null";
    case JsonScalar::Kind::kBool:
      return "a boolean";
    case JsonScalar::Kind::kUnsigned:
      return "a number";
    case JsonScalar::Kind::kOther:
      return "a number that is no whole number from 0 to 2^64-1";
    case JsonScalar::Kind::kString:
      return "a string";
  }
  return "an unknown value";
}

Status parse_json(std::string_view json, uint64_t base_offset, JsonVisitor& visitor) {
  // The library takes a NUL byte for the end of its input and would accept anything behind it.
  if (size_t nul = json.find('\0'); nul != std::string_view::npos) {
    return Error(ErrorCode::kCorrupt,
                 text("offset ", base_offset + nul, ": NUL byte inside JSON text"));
  }
  const char* furthest = json.data();
  Bridge bridge(visitor);
  nlohmann::json::sax_parse(TrackedIterator(json.data(), &furthest),
                            TrackedIterator(json.data() + json.size(), &furthest), &bridge);
  if (auto error = bridge.take_error()) {
    return error->at(text("offset ", base_offset + static_cast<uint64_t>(furthest - json.data())));
  }
  return Ok{};
}

}  // namespace qload
