#include "format/input/header_cursor.h"

#include <algorithm>

#include "format/base/format_text.h"

namespace qload {

namespace {

/// Enough that a vocabulary of a few MiB takes tens of reads, little enough to cost nothing.
constexpr uint64_t kWindowBytes = 256 << 10;

}  // namespace

Status HeaderCursor::check_remaining(uint64_t bytes, std::string_view what) const {
  if (bytes <= remaining()) return Ok{};
  return Error(ErrorCode::kCorrupt, text("offset ", offset(), ": ", what, " needs ", bytes,
                                         " bytes, but only ", remaining(), " remain in the file"));
}

Status HeaderCursor::refill(uint64_t bytes, std::string_view what) {
  QLOAD_CHECK(check_remaining(bytes, what));
  const uint64_t from = offset();
  window_.resize(std::min(remaining(), std::max(bytes, kWindowBytes)));
  window_offset_ = from;
  position_ = 0;
  return file_.read_at(from, window_);
}

Result<std::string> HeaderCursor::read_text(uint64_t bytes, std::string_view what) {
  QLOAD_CHECK(check_remaining(bytes, what));
  if (window_.size() - position_ < bytes) QLOAD_CHECK(refill(bytes, what));
  std::string value(as_text(std::span<const std::byte>(window_).subspan(position_, bytes)));
  position_ += bytes;
  return value;
}

Status HeaderCursor::skip(uint64_t bytes, std::string_view what) {
  QLOAD_CHECK(check_remaining(bytes, what));
  if (bytes <= window_.size() - position_) {
    position_ += bytes;
    return Ok{};
  }
  window_offset_ = offset() + bytes;
  window_.clear();
  position_ = 0;
  return Ok{};
}

}  // namespace qload
