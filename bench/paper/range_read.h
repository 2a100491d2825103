// The ranges of one piece by O_DIRECT: many reads in flight, over the borders of ranges.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "bench/load/direct_read.h"
#include "bench/load/plain_file.h"
#include "bench/paper/stream_plan.h"
#include "qload/result.h"
#include "runtime/io/direct_io.h"
#include "runtime/io/read_engine.h"

namespace qload::bench {

/// A plain file, open both ways.
struct DirectSource {
  PlainFile buffered;
  DirectFile direct;
};

/// Opens every file. kUnsupported where O_DIRECT is refused, or wants larger blocks than
/// kAlignmentMin.
Result<std::vector<DirectSource>> open_direct(std::span<const std::filesystem::path> paths);

/// Reads all ranges of `piece` to their places in `arena`; calls `on_submitted` once when nothing
/// is left to submit, so that others may submit while the last reads come in. REQUIRES:
/// engine.depth()
/// >= shape.depth; `arena` on kAlignmentMin.
Status read_ranges(ReadEngine& engine, std::span<const DirectSource> files,
                   const StreamPiece& piece, std::span<std::byte> arena, ReadShape shape,
                   const std::function<void()>& on_submitted = {});

}  // namespace qload::bench
