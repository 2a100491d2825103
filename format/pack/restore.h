// The way back: verify_container checks every byte, unpack_container writes the source files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "format/container/container_reader.h"
#include "format/pack/pack.h"
#include "qload/result.h"

namespace qload {

struct RestoreOptions {
  uint32_t threads = 0;    ///< 0: one for each processor the process may use.
  bool overwrite = false;  ///< unpack: replace existing files.
};
struct RestoreReport {
  /// Tensors and kept bytes. unpack: all that is written; verify: what shares chunks counts once.
  uint64_t decoded_bytes = 0;
  uint64_t chunk_count = 0;
  uint64_t file_count = 0;
  double seconds = 0;
};

/// Checks every checksum (stored and decoded), every digest, the model digest, and that all
/// padding is zero. The error names the first bad chunk in file order by tensor and offset.
Result<RestoreReport> verify_container(const Container& container, const RestoreOptions& options,
                                       const std::function<void(const PackProgress&)>& on_progress,
                                       std::stop_token stop);

/// Writes every source file, byte for byte, checking checksums on the way. A model of one file
/// goes to `output` itself, unless that is a directory; one of several goes into the directory
/// `output` (created). No path in the container can lead outside it. Files appear whole or not at
/// all; existing ones are refused unless overwrite.
Result<RestoreReport> unpack_container(const Container& container,
                                       const std::filesystem::path& output,
                                       const RestoreOptions& options,
                                       const std::function<void(const PackProgress&)>& on_progress,
                                       std::stop_token stop);

}  // namespace qload
