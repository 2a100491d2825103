#include "bench/paper/model_room.h"

#include <sys/statvfs.h>

#include <cerrno>

#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

// synth's tensor-wise weights have at most 6.2 bits of entropy a byte: 0.78 of their size when
// coded, and some room for norms, headers and small models.
constexpr double kPackedShare = 0.8;
// Threads, staging, rings and tables on the one side; the throttle's drain file on the other.
constexpr uint64_t kSlackBytes = 256ull << 20;
// Two workers stream, each into an arena of its own.
constexpr uint64_t kArenas = 2;

std::string gigabytes(uint64_t bytes) { return print("%.1f GB", static_cast<double>(bytes) / 1e9); }

}  // namespace

Room room_needed(const RoomQuestion& question) {
  const auto packed =
      static_cast<uint64_t>(static_cast<double>(question.plain_bytes) * kPackedShare);
  Room room{.disk_bytes = packed + kSlackBytes, .memory_bytes = kSlackBytes};
  if (!question.plain_exists) room.disk_bytes += question.plain_bytes;
  if (question.compressed) room.disk_bytes += packed;
  // The reading contender of the paper holds the compressed file and what it decodes to.
  room.memory_bytes +=
      question.stream_only ? kArenas * question.piece_bytes_max : question.plain_bytes + packed;
  return room;
}

Result<Room> room_available(const std::filesystem::path& directory) {
  struct statvfs facts;
  if (statvfs(directory.c_str(), &facts) != 0) {
    return error_from_errno(text("statvfs ", directory.string(), " (--dir)"), errno);
  }
  return Room{.disk_bytes = static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize,
              .memory_bytes = describe_machine(directory).memory_available_bytes};
}

std::string why_no_room(const Room& needed, const Room& available) {
  std::string why;
  if (needed.disk_bytes > available.disk_bytes) {
    why = text("needs ", gigabytes(needed.disk_bytes), " of disk for its files, ",
               gigabytes(available.disk_bytes), " are free");
  }
  if (needed.memory_bytes > available.memory_bytes) {
    why += text(why.empty() ? "" : "; ", "needs ", gigabytes(needed.memory_bytes), " of memory, ",
                gigabytes(available.memory_bytes),
                " are available (--stream-only needs two layers at a time)");
  }
  return why;
}

}  // namespace qload::bench
