// Whether the disk and the memory have room for a model, asked before anything is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "qload/result.h"

namespace qload::bench {

struct Room {
  uint64_t disk_bytes = 0;
  uint64_t memory_bytes = 0;
};

/// What has to be known about a model and the way it will be loaded.
struct RoomQuestion {
  uint64_t plain_bytes = 0;
  uint64_t piece_bytes_max = 0;
  bool plain_exists = false;  ///< The uncompressed file is there already.
  bool compressed = false;    ///< The paper's compressed file is made, too.
  bool stream_only = false;
};

Room room_needed(const RoomQuestion& question);

/// Free bytes of the file system that holds `directory`, and MemAvailable.
Result<Room> room_available(const std::filesystem::path& directory);

/// Why a model that needs `needed` does not fit, with the numbers; empty when it does.
std::string why_no_room(const Room& needed, const Room& available);

}  // namespace qload::bench
