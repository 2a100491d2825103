// Reading a range of a file as fast as the read engine can: many large reads in flight.
#pragma once

#include <cstdint>
#include <span>

#include "qload/result.h"
#include "runtime/io/read_engine.h"

namespace qload::bench {

/// Size and number of reads in flight.
struct ReadShape {
  uint32_t read_bytes = 1u << 20;
  uint32_t depth = 32;
};

/// Reads the first `bytes` bytes of the file `engine` is attached to, beginning at `first` and
/// going on from the front at their end. Where `whole` is true, `memory` holds them all (rounded up
/// to the alignment) and each read goes to its own place; else `memory` has shape.depth blocks of
/// shape.read_bytes, which are used in turn. REQUIRES: engine.depth() >= shape.depth;
/// shape.read_bytes a multiple of the alignment. `first` is a multiple of shape.read_bytes, and at
/// most `bytes`.
struct DirectReadJob {
  uint64_t first = 0;
  uint64_t bytes = 0;
  std::span<std::byte> memory;
  bool whole = false;
  bool direct = true;
  ReadShape shape = {};
  double seconds_max = 0;  ///< 0: no limit; else submission stops after it.
};

/// Returns the bytes read: fewer than asked only when the time limit passed.
Result<uint64_t> read_directly(ReadEngine& engine, const DirectReadJob& job);

}  // namespace qload::bench
