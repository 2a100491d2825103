#include "bench/load/direct_read.h"

#include <algorithm>
#include <array>
#include <vector>

#include "bench/load/parallel.h"
#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/limits.h"

namespace qload::bench {

Result<uint64_t> read_directly(ReadEngine& engine, const DirectReadJob& job) {
  std::vector<uint32_t> free_blocks(job.shape.depth);
  for (uint32_t block = 0; block < job.shape.depth; ++block) free_blocks[block] = block;
  const double stop_at = job.seconds_max > 0 ? now_seconds() + job.seconds_max : 0;
  std::array<Completion, 64> done;
  uint64_t next = 0;
  uint64_t read = 0;
  int error_number = 0;
  for (;;) {
    while (error_number == 0 && next < job.bytes && !free_blocks.empty() &&
           (stop_at == 0 || now_seconds() < stop_at)) {
      const uint32_t block = free_blocks.back();
      free_blocks.pop_back();
      const bool wrapped = next >= job.bytes - job.first;
      const uint64_t offset = wrapped ? next - (job.bytes - job.first) : job.first + next;
      const uint64_t end = wrapped ? job.first : job.bytes;
      const auto rest =
          static_cast<uint32_t>(std::min<uint64_t>(job.shape.read_bytes, end - offset));
      const uint64_t place = job.whole ? offset : uint64_t{block} * job.shape.read_bytes;
      engine.submit(
          {.offset = offset,
           .data = job.memory.data() + place,
           .bytes = job.direct ? static_cast<uint32_t>(align_up(rest, kAlignmentMin)) : rest,
           .bytes_required = rest,
           .tag = block,
           .direct = job.direct});
      next += rest;
    }
    if (engine.in_flight() == 0) break;
    const size_t count = engine.wait(done);
    for (const Completion& completion : std::span(done).first(count)) {
      if (completion.error_number != 0 && error_number == 0) error_number = completion.error_number;
      read += completion.bytes;
      free_blocks.push_back(completion.tag);
    }
  }
  if (error_number != 0) return error_from_errno("read engine", error_number);
  return std::min(read, next);
}

}  // namespace qload::bench
