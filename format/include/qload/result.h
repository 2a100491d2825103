// Results instead of exceptions: Error, Result<T>, Status.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace qload {

/// Why an operation failed: just enough to choose a reaction. Values are frozen,
/// because they cross the C ABI. Zero means success and never appears in an Error.
enum class ErrorCode : int {
  kInvalidArgument = 1,  ///< The caller broke a documented precondition.
  kNotFound = 2,         ///< No such file, or no such tensor.
  kCancelled = 3,        ///< The caller asked to stop.
  kOutOfMemory = 4,      ///< An allocator hook returned null, or memory ran out.
  kBudgetTooSmall = 5,   ///< The memory budget cannot hold what was asked for.
  kTimeout = 6,          ///< A time limit set by the caller passed.
  kIo = 10,              ///< The kernel reported an error; the message names it.
  kNoSpace = 11,         ///< The file system is full.
  kUnsupported = 20,     ///< Well formed, but newer than this library.
  kCorrupt = 30,         ///< The bytes contradict the format or their checksum.
  kUntrusted = 31,       ///< Intact, but not the model the caller demanded.
};

/// The code's name as users read it, e.g. "corrupt". Static storage.
std::string_view error_code_name(ErrorCode code);

/// One failure: a code, and a message that says what was found, what was expected and where.
class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  std::string_view message() const { return message_; }

  /// The same error with `where` put before the message: "where: message".
  Error at(std::string_view where) const {
    std::string text(where);
    text += ": ";
    text += message_;
    return Error(code_, std::move(text));
  }

 private:
  ErrorCode code_;
  std::string message_;
};

/// A value, or the reason there is none. A subset of std::expected<T, Error>.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *std::get_if<0>(&state_); }                ///< REQUIRES: ok().
  const T& value() const& { return *std::get_if<0>(&state_); }     ///< REQUIRES: ok().
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }   ///< REQUIRES: ok().
  T& operator*() & { return value(); }                             ///< REQUIRES: ok().
  const T& operator*() const& { return value(); }                  ///< REQUIRES: ok().
  T&& operator*() && { return std::move(*this).value(); }          ///< REQUIRES: ok().
  T* operator->() { return std::get_if<0>(&state_); }              ///< REQUIRES: ok().
  const T* operator->() const { return std::get_if<0>(&state_); }  ///< REQUIRES: ok().

  const Error& error() const& { return *std::get_if<1>(&state_); }    ///< REQUIRES: !ok().
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }  ///< REQUIRES: !ok().

 private:
  std::variant<T, Error> state_;
};

/// The value of an operation that has none.
struct Ok {};
using Status = Result<Ok>;

}  // namespace qload
