// JSON as a sequence of events: nothing is built, so memory stays with the visitor.
// The only file that knows the JSON library is json_events.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "qload/result.h"

namespace qload {

/// Depth at which parsing is refused; the limit of serde_json, which safetensors is read with.
inline constexpr uint32_t kJsonDepthMax = 128;

/// A value that is neither an object nor an array.
struct JsonScalar {
  enum class Kind {
    kNull,
    kBool,
    kUnsigned,  ///< A whole number from 0 to 2^64 - 1, written without fraction and exponent.
    kOther,     ///< Any other number: negative, with fraction or exponent, or beyond 2^64 - 1.
    kString,
  };
  Kind kind = Kind::kNull;
  uint64_t number = 0;    ///< Of kUnsigned; of kBool 0 or 1.
  std::string_view text;  ///< Of kString: decoded UTF-8. Lives until the call returns.
};
/// For messages: "a string".
std::string_view json_kind_name(JsonScalar::Kind kind);

/// Receives the events in file order. An error stops the parse and is its result.
class JsonVisitor {
 public:
  virtual ~JsonVisitor() = default;
  virtual Status begin_object() = 0;
  virtual Status end_object() = 0;
  virtual Status begin_array() = 0;
  virtual Status end_array() = 0;
  virtual Status key(std::string_view name) = 0;
  virtual Status scalar(const JsonScalar& value) = 0;
};

/// Parses `json`, which is one JSON value in UTF-8 with nothing but white space around it. Errors
/// (kCorrupt, the visitor's own included) start with "offset N: ", counted from `base_offset`.
Status parse_json(std::string_view json, uint64_t base_offset, JsonVisitor& visitor);

}  // namespace qload
