// Reading a binary header forward through a window of the file, whatever its fields claim.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/try.h"
#include "qload/result.h"

namespace qload {

/// Reads values one after the other. Holds one window of the file; never allocates more than the
/// window and what the file really has. An end of file is kCorrupt and tells `what` was cut.
/// Borrows the file. One thread.
class HeaderCursor {
 public:
  explicit HeaderCursor(const File& file) : file_(file) {}

  uint64_t offset() const { return window_offset_ + position_; }
  uint64_t remaining() const { return file_.bytes() - offset(); }

  template <class T>
  Result<T> read(std::string_view what) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (window_.size() - position_ < sizeof(T)) QLOAD_CHECK(refill(sizeof(T), what));
    T value = load_le<T>(window_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  /// The next `bytes` bytes as text.
  Result<std::string> read_text(uint64_t bytes, std::string_view what);

  /// Steps over `bytes` bytes without reading them.
  Status skip(uint64_t bytes, std::string_view what);

 private:
  /// Moves the window so that it starts here and holds at least `bytes` bytes.
  Status refill(uint64_t bytes, std::string_view what);
  Status check_remaining(uint64_t bytes, std::string_view what) const;

  const File& file_;
  std::vector<std::byte> window_;
  uint64_t window_offset_ = 0;
  size_t position_ = 0;
};

}  // namespace qload
