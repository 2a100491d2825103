#include "format/input/gguf_keys.h"

#include <optional>
#include <string_view>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/unique_names.h"

namespace qload {

namespace {

/// The 13 types of values (gguf.h of ggml, enum gguf_type). Sizes 0: not of fixed width.
struct ValueType {
  std::string_view name;
  uint32_t bytes;
  bool is_integer;
  bool is_signed;
};
constexpr ValueType kValueTypes[] = {
    {"u8", 1, true, false},     {"i8", 1, true, true},     {"u16", 2, true, false},
    {"i16", 2, true, true},     {"u32", 4, true, false},   {"i32", 4, true, true},
    {"f32", 4, false, false},   {"bool", 1, false, false}, {"string", 0, false, false},
    {"array", 0, false, false}, {"u64", 8, true, false},   {"i64", 8, true, true},
    {"f64", 8, false, false},
};
constexpr uint32_t kUint32 = 4;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;

/// A key's length limit by the GGUF specification.
constexpr uint64_t kKeyBytesMax = 65535;
/// ggml's limit on an array's elements (gguf.cpp, GGUF_MAX_ARRAY_ELEMENTS).
constexpr uint64_t kArrayCountMax = 1u << 30;
/// gguf.h of ggml, GGUF_DEFAULT_ALIGNMENT.
constexpr uint64_t kDefaultAlignment = 32;

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

std::string at_key(uint64_t offset, std::string_view key) {
  return text("offset ", offset, ": key ", quote(key));
}

Status check_value_type(uint64_t offset, std::string_view key, uint32_t type) {
  if (type < std::size(kValueTypes)) return Ok{};
  return corrupt(text(at_key(offset, key), " has value type ", type, ", expected 0 to ",
                      std::size(kValueTypes) - 1));
}

Status skip_string(HeaderCursor& cursor, std::string_view what) {
  const uint64_t offset = cursor.offset();
  QLOAD_TRY(const uint64_t bytes, cursor.read<uint64_t>(what));
  if (bytes > kGgufStringBytesMax) {
    return corrupt(text("offset ", offset, ": ", what, " has a string of ", bytes,
                        " bytes, expected at most ", kGgufStringBytesMax));
  }
  return cursor.skip(bytes, what);
}

Status skip_array(HeaderCursor& cursor, std::string_view key, std::string_view what) {
  const uint64_t offset = cursor.offset();
  QLOAD_TRY(const uint32_t type, cursor.read<uint32_t>(what));
  QLOAD_CHECK(check_value_type(offset, key, type));
  if (type == kArray) {
    return corrupt(text(at_key(offset, key), " is an array of arrays, which ggml refuses"));
  }
  QLOAD_TRY(const uint64_t count, cursor.read<uint64_t>(what));
  if (count > kArrayCountMax) {
    return corrupt(text(at_key(offset + sizeof type, key), " is an array of ", count,
                        " elements, expected at most ", kArrayCountMax));
  }
  if (type != kString) return cursor.skip(count * kValueTypes[type].bytes, what);
  // Each string takes its length's 8 bytes at least, so the file bounds this loop.
  for (uint64_t i = 0; i < count; ++i) QLOAD_CHECK(skip_string(cursor, what));
  return Ok{};
}

/// A whole number of any width, negative ones refused.
Result<uint64_t> read_count(HeaderCursor& cursor, std::string_view key, uint32_t type,
                            std::string_view what) {
  const uint64_t offset = cursor.offset();
  const ValueType& info = kValueTypes[type];
  if (!info.is_integer) {
    return corrupt(
        text(at_key(offset, key), " is of type ", info.name, ", expected a whole number"));
  }
  uint64_t value = 0;
  for (uint32_t i = 0; i < info.bytes; ++i) {
    QLOAD_TRY(const uint8_t byte, cursor.read<uint8_t>(what));
    value |= uint64_t{byte} << (8 * i);
  }
  if (info.is_signed && (value >> (8 * info.bytes - 1)) != 0) {
    return corrupt(text(at_key(offset, key), " is negative"));
  }
  return value;
}

Result<uint64_t> read_alignment(HeaderCursor& cursor, std::string_view key, uint32_t type) {
  const uint64_t offset = cursor.offset();
  if (type != kUint32) {
    return corrupt(
        text(at_key(offset, key), " is of type ", kValueTypes[type].name, ", expected u32"));
  }
  QLOAD_TRY(const uint32_t alignment, cursor.read<uint32_t>("general.alignment"));
  if (!is_power_of_two(alignment)) {
    return corrupt(text(at_key(offset, key), " is ", alignment, ", expected a power of two"));
  }
  return alignment;
}

Status read_value(HeaderCursor& cursor, std::string_view key, GgufHeader& header) {
  const uint64_t offset = cursor.offset();
  const std::string what = text("value of key ", quote(key));
  QLOAD_TRY(const uint32_t type, cursor.read<uint32_t>(what));
  QLOAD_CHECK(check_value_type(offset, key, type));
  if (key == "general.alignment") {
    QLOAD_TRY(header.alignment, read_alignment(cursor, key, type));
  } else if (key == "split.no") {
    QLOAD_TRY(header.split_number, read_count(cursor, key, type, what));
  } else if (key == "split.count") {
    QLOAD_TRY(header.split_count, read_count(cursor, key, type, what));
  } else if (key == "split.tensors.count") {
    QLOAD_TRY(header.split_tensors, read_count(cursor, key, type, what));
  } else if (type == kArray) {
    return skip_array(cursor, key, what);
  } else if (type == kString) {
    return skip_string(cursor, what);
  } else {
    return cursor.skip(kValueTypes[type].bytes, what);
  }
  return Ok{};
}

}  // namespace

Result<std::string> read_gguf_string(HeaderCursor& cursor, uint64_t bytes_max,
                                     std::string_view what) {
  const uint64_t offset = cursor.offset();
  QLOAD_TRY(const uint64_t bytes, cursor.read<uint64_t>(what));
  if (bytes > bytes_max) {
    return corrupt(text("offset ", offset, ": ", what, " has ", bytes, " bytes, expected at most ",
                        bytes_max));
  }
  return cursor.read_text(bytes, what);
}

Status read_gguf_keys(HeaderCursor& cursor, uint64_t count, GgufHeader& header) {
  header.alignment = kDefaultAlignment;
  std::vector<std::string> keys;  // Grows with the pairs that are there, not with `count`.
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t offset = cursor.offset();
    QLOAD_TRY(std::string key,
              read_gguf_string(cursor, kKeyBytesMax, text("key ", i, " of ", count)));
    if (key.empty()) return corrupt(text("offset ", offset, ": key ", i, " is empty"));
    QLOAD_CHECK(read_value(cursor, key, header));
    keys.push_back(std::move(key));
  }
  std::vector<std::string_view> names(keys.begin(), keys.end());
  if (auto key = find_repeated(std::move(names))) {
    return corrupt(text("duplicate key ", quote(*key)));
  }
  return Ok{};
}

}  // namespace qload
