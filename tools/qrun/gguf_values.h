// GgufValues: the key-values of a GGUF header, looked up by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "qload/result.h"

namespace qload::qrun {

class GgufCursor;

/// Reads the header that Model::read_header or a GGUF file gives. Views into it: the header's bytes
/// must outlive the values.
class GgufValues {
 public:
  /// kCorrupt where the bytes end early or a value's type is not GGUF's; names key and offset.
  static Result<GgufValues> parse(std::span<const std::byte> header);

  bool has(std::string_view key) const { return values_.contains(key); }

  /// Nothing when the key is absent; kCorrupt when its value is of another kind, or is a whole
  /// number outside of 64 bits unsigned.
  Result<std::optional<uint64_t>> find_count(std::string_view key) const;
  Result<std::optional<double>> find_number(std::string_view key) const;
  Result<std::optional<bool>> find_bool(std::string_view key) const;
  Result<std::optional<std::string_view>> find_text(std::string_view key) const;
  /// Elements of an array of strings, of float, of 32-bit integers. Empty when the key is absent.
  Result<std::vector<std::string_view>> find_texts(std::string_view key) const;
  Result<std::vector<float>> find_floats(std::string_view key) const;
  Result<std::vector<int32_t>> find_integers(std::string_view key) const;

 private:
  struct Value {
    uint32_t type = 0;  // Of the value, or of the elements of an array.
    bool is_array = false;
    uint64_t count = 1;  // Elements.
    std::span<const std::byte> bytes;
  };
  static Result<Value> parse_value(GgufCursor& cursor, std::string_view key);
  /// The value of `key`; null when absent.
  const Value* find(std::string_view key) const;

  std::map<std::string_view, Value, std::less<>> values_;
};

}  // namespace qload::qrun
