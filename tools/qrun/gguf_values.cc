#include "tools/qrun/gguf_values.h"

#include <cstring>

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

// ggml's gguf.h, enum gguf_type, and the bytes of each; 0 where the width is not fixed.
enum Type : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};
constexpr uint32_t kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

Error wrong_kind(std::string_view key, uint32_t type, bool is_array, std::string_view expected) {
  return corrupt(text("GGUF key ", quote(key), " is ", is_array ? "an array" : "a value",
                      " of type ", type, ", expected ", expected));
}

}  // namespace

/// Steps over a header; every step that would leave it is an error.
class GgufCursor {
 public:
  explicit GgufCursor(std::span<const std::byte> bytes) : reader_(bytes) {}

  template <class T>
  Result<T> read(std::string_view what) {
    const auto value = reader_.read<T>();
    if (!value) return ends_in(what);
    return *value;
  }
  Result<std::span<const std::byte>> read_bytes(uint64_t bytes, std::string_view what) {
    const auto part = reader_.read_bytes(bytes);
    if (!part) return ends_in(what);
    return *part;
  }
  Result<std::string_view> read_string(std::string_view what) {
    QLOAD_TRY(const uint64_t bytes, read<uint64_t>(what));
    QLOAD_TRY(const auto part, read_bytes(bytes, what));
    return as_text(part);
  }
  uint64_t offset() const { return reader_.offset(); }

 private:
  Error ends_in(std::string_view what) const {
    return corrupt(text("GGUF header ends in ", what, ", at offset ", reader_.offset()));
  }
  ByteReader reader_;
};

Result<GgufValues> GgufValues::parse(std::span<const std::byte> header) {
  GgufCursor cursor(header);
  QLOAD_TRY(const auto magic, cursor.read_bytes(4, "the magic"));
  QLOAD_TRY(const auto version, cursor.read<uint32_t>("the version"));
  if (as_text(magic) != "GGUF" || (version != 2 && version != 3)) {
    return corrupt(text("GGUF header begins with ", quote(as_text(magic)), " version ", version,
                        ", expected \"GGUF\" version 2 or 3"));
  }
  QLOAD_CHECK(cursor.read<uint64_t>("the tensor count"));
  QLOAD_TRY(const auto count, cursor.read<uint64_t>("the key-value count"));
  GgufValues out;
  // A count that is too large ends with the bytes: each pair has some.
  for (uint64_t i = 0; i < count; ++i) {
    QLOAD_TRY(const auto key, cursor.read_string("a key"));
    QLOAD_TRY(const Value value, parse_value(cursor, key));
    if (!out.values_.emplace(key, value).second) {
      return corrupt(text("GGUF key ", quote(key), " occurs twice"));
    }
  }
  return out;
}

Result<GgufValues::Value> GgufValues::parse_value(GgufCursor& cursor, std::string_view key) {
  const std::string what = text("the value of key ", quote(key));
  Value value;
  QLOAD_TRY(value.type, cursor.read<uint32_t>(what));
  if (value.type == kArray) {
    value.is_array = true;
    QLOAD_TRY(value.type, cursor.read<uint32_t>(what));
    QLOAD_TRY(value.count, cursor.read<uint64_t>(what));
  }
  if (value.type >= std::size(kTypeBytes) || value.type == kArray) {
    return corrupt(text(what, " has type ", value.type, " at offset ", cursor.offset(),
                        ", expected 0 to 12, and no arrays in arrays"));
  }
  if (value.type == kString) {
    // Strings are stepped over here, and read again when they are asked for.
    GgufCursor start = cursor;
    for (uint64_t i = 0; i < value.count; ++i) QLOAD_CHECK(cursor.read_string(what));
    QLOAD_TRY(value.bytes, start.read_bytes(cursor.offset() - start.offset(), what));
    return value;
  }
  const auto bytes = checked_multiply(value.count, kTypeBytes[value.type]);
  if (!bytes) return corrupt(text(what, " has ", value.count, " elements"));
  QLOAD_TRY(value.bytes, cursor.read_bytes(*bytes, what));
  return value;
}

const GgufValues::Value* GgufValues::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Result<std::optional<uint64_t>> GgufValues::find_count(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<uint64_t>();
  const bool is_signed = value->type == kInt8 || value->type == kInt16 || value->type == kInt32 ||
                         value->type == kInt64;
  const bool is_unsigned = value->type == kUint8 || value->type == kUint16 ||
                           value->type == kUint32 || value->type == kUint64;
  if (value->is_array || (!is_signed && !is_unsigned)) {
    return wrong_kind(key, value->type, value->is_array, "a whole number");
  }
  uint64_t number = 0;
  std::memcpy(&number, value->bytes.data(), value->bytes.size());
  const uint64_t sign = uint64_t{1} << (8 * value->bytes.size() - 1);
  if (is_signed && (number & sign) != 0) {
    return corrupt(text("GGUF key ", quote(key), " is negative, expected a count"));
  }
  return std::optional(number);
}

Result<std::optional<double>> GgufValues::find_number(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_array && value->type == kFloat32) {
    return std::optional<double>(load_le<float>(value->bytes.data()));
  }
  if (!value->is_array && value->type == kFloat64) {
    return std::optional(load_le<double>(value->bytes.data()));
  }
  return wrong_kind(key, value->type, value->is_array, "a floating-point number");
}

Result<std::optional<bool>> GgufValues::find_bool(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_array && value->type == kBool) {
    return std::optional(value->bytes[0] != std::byte{0});
  }
  return wrong_kind(key, value->type, value->is_array, "true or false");
}

Result<std::optional<std::string_view>> GgufValues::find_text(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (!value->is_array && value->type == kString) {
    return std::optional(as_text(value->bytes.subspan(sizeof(uint64_t))));
  }
  return wrong_kind(key, value->type, value->is_array, "a string");
}

Result<std::vector<std::string_view>> GgufValues::find_texts(std::string_view key) const {
  std::vector<std::string_view> out;
  const Value* value = find(key);
  if (value == nullptr) return out;
  if (!value->is_array || value->type != kString) {
    return wrong_kind(key, value->type, value->is_array, "an array of strings");
  }
  GgufCursor cursor(value->bytes);
  for (uint64_t i = 0; i < value->count; ++i) {
    QLOAD_TRY(const std::string_view item, cursor.read_string("an array of strings"));
    out.push_back(item);
  }
  return out;
}

Result<std::vector<float>> GgufValues::find_floats(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::vector<float>();
  if (!value->is_array || value->type != kFloat32) {
    return wrong_kind(key, value->type, value->is_array, "an array of 32-bit floats");
  }
  std::vector<float> out(value->count);
  if (!out.empty()) std::memcpy(out.data(), value->bytes.data(), value->bytes.size());
  return out;
}

Result<std::vector<int32_t>> GgufValues::find_integers(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::vector<int32_t>();
  if (!value->is_array || (value->type != kInt32 && value->type != kUint32)) {
    return wrong_kind(key, value->type, value->is_array, "an array of 32-bit integers");
  }
  std::vector<int32_t> out(value->count);
  if (!out.empty()) std::memcpy(out.data(), value->bytes.data(), value->bytes.size());
  return out;
}

}  // namespace qload::qrun
