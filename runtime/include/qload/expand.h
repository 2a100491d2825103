// Options of Loader::expand: a model decoded once to a plain file, and mapped from then on.
#pragma once

#include <cstdint>

#include "qload/options.h"

namespace qload {

/// What one expand did.
struct ExpandStatistics {
  bool built = false;  ///< The file was to be written; else the one that was there serves.
  /// Why. Static storage: "complete" (not built), "absent", "asked for", "incomplete", "other
  /// version", "other model", "other layout", "other size", "damaged header", "damaged tensor".
  const char* reason = "";
  uint64_t file_bytes = 0;
  uint64_t bytes_read = 0;  ///< Of the container.
  double seconds = 0;       ///< From the call to its return.
};

struct ExpandOptions {
  bool rebuild = false;  ///< Decode and write even when the file matches.
  /// Compare every tensor of a file that is there with its digest; one that differs has the file
  /// built anew. Reads all of it: set it where the file may have been damaged since.
  bool verify = false;
  /// `verify`, `page_cache`, `on_progress` and `stop` are those of the decoding; the rest is not
  /// used. Progress counts decoded bytes, and is complete a little before the file is.
  LoadOptions load = {};
  ExpandStatistics* statistics = nullptr;  ///< Filled when not null, on failure as far as it got.
};

}  // namespace qload
