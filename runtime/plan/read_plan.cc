#include "runtime/plan/read_plan.h"

#include <algorithm>

#include "format/base/assert.h"
#include "format/base/checked.h"

namespace qload {
namespace {

/// One chunk on its way to one destination.
struct Part {
  uint64_t chunk;
  std::byte* destination;
  uint32_t tensor;
  bool direct_allowed;
};

/// Where bytes lie in the outer file.
struct FileRange {
  uint64_t begin;
  uint64_t end;
  uint64_t bytes() const { return end - begin; }
};

/// The chunks that are wanted of a tensor. REQUIRES: the range lies in it.
std::span<const ChunkRecord> chunks_of(const Index& index, const PlanTensor& wanted) {
  const auto chunks = index.chunks_of(index.tensors()[wanted.tensor]);
  const bool rest = wanted.chunks.count == ChunkRange::kAllChunks;
  return chunks.subspan(wanted.chunks.first, rest ? std::dynamic_extent : wanted.chunks.count);
}

/// All parts in file order: chunks are numbered in file order, so sorting by number does it.
/// Tensors that share chunks have their parts side by side then.
std::vector<Part> collect_parts(const Index& index, std::span<const PlanTensor> tensors) {
  uint64_t part_count = 0;
  for (const PlanTensor& wanted : tensors) part_count += chunks_of(index, wanted).size();
  std::vector<Part> parts;
  parts.reserve(part_count);
  for (const PlanTensor& wanted : tensors) {
    const std::span<const ChunkRecord> chunks = chunks_of(index, wanted);
    for (const ChunkRecord& chunk : chunks) {
      parts.push_back({static_cast<uint64_t>(&chunk - index.chunks().data()),
                       wanted.data + (chunk.decoded_offset - chunks[0].decoded_offset),
                       wanted.tensor, wanted.direct_allowed});
    }
  }
  auto by_chunk = [](const Part& a, const Part& b) { return a.chunk < b.chunk; };
  if (!std::is_sorted(parts.begin(), parts.end(), by_chunk)) {
    std::stable_sort(parts.begin(), parts.end(), by_chunk);
  }
  return parts;
}

/// Walks the parts once and appends reads. At most one staged read is open at a time: the last
/// of plan_.reads, which grows while what follows is near enough and fits.
class PlanBuilder {
 public:
  PlanBuilder(const Index& index, const PlanOptions& options, std::vector<Part> parts)
      : index_(index),
        options_(options),
        alignment_(options.alignment),
        capacity_(std::max(align_down(options.read_bytes, alignment_), alignment_)),
        parts_(std::move(parts)) {}

  ReadPlan build() {
    for (size_t first = 0; first < parts_.size();) {
      const size_t run_end = find_run_end(first);
      if (run_end > first) {
        first = add_run(first, run_end);
        continue;
      }
      size_t end = first + 1;
      while (end < parts_.size() && parts_[end].chunk == parts_[first].chunk) ++end;
      add_staged(first, end);
      first = end;
    }
    close_staged();
    return std::move(plan_);
  }

 private:
  const ChunkRecord& chunk_of(const Part& part) const { return index_.chunks()[part.chunk]; }

  FileRange range_of(const Part& part) const {
    const ChunkRecord& chunk = chunk_of(part);
    const uint64_t begin = options_.base_offset + chunk.offset;
    return {begin, begin + chunk.stored_bytes};
  }

  bool is_raw(const Part& part) const { return index_.form(chunk_of(part)).stored_raw(); }

  /// True when part `i`, the first of its chunk, may take part in an in-place run: raw, wanted
  /// once, and congruent.
  bool fits_run(size_t i) const {
    const Part& part = parts_[i];
    if (!options_.in_place || !part.direct_allowed) return false;
    if (i + 1 < parts_.size() && parts_[i + 1].chunk == part.chunk) return false;
    const uint64_t address = reinterpret_cast<uintptr_t>(part.destination);
    if (((address ^ range_of(part).begin) & (alignment_ - 1)) != 0) return false;
    return is_raw(part);
  }

  /// The longest run from `first` of raw parts that follow each other without a gap both in the
  /// file and in memory: [first, result). Empty when `first` cannot be read in place.
  size_t find_run_end(size_t first) const {
    if (!fits_run(first)) return first;
    size_t end = first + 1;
    while (end < parts_.size() && fits_run(end) &&
           range_of(parts_[end]).begin == range_of(parts_[end - 1]).end &&
           parts_[end].destination ==
               parts_[end - 1].destination + chunk_of(parts_[end - 1]).decoded_bytes) {
      ++end;
    }
    return end;
  }

  /// Plans a run of raw parts, in place when its aligned interior is worth a read, and returns
  /// `end`. A run that is not is staged whole: no part of it can do better.
  ///
  /// With alignment 4096, a run at [5000, 205000) of the file has its head [5000, 8192) and its
  /// tail [204800, 205000) staged, and the 196608 bytes between read in place.
  size_t add_run(size_t first, size_t end) {
    const FileRange run = {range_of(parts_[first]).begin, range_of(parts_[end - 1]).end};
    const FileRange interior = {align_up(run.begin, alignment_), align_down(run.end, alignment_)};
    if (interior.end < interior.begin || interior.bytes() < kInPlaceBytesMin) {
      for (size_t i = first; i < end; ++i) add_staged(i, i + 1);
      return end;
    }
    const uint32_t first_raw = add_raw_chunks(first, end);
    size_t next = first;  // The part that the next piece belongs to.
    auto add_pieces = [&](FileRange range) {
      const uint64_t read_begin = plan_.reads.back().offset;
      while (range.begin < range.end) {
        const FileRange part = range_of(parts_[next]);
        const uint64_t piece_end = std::min(range.end, part.end);
        add_piece(first_raw + static_cast<uint32_t>(next - first), part.begin,
                  {range.begin, piece_end}, read_begin);
        range.begin = piece_end;
        if (piece_end == part.end) ++next;
      }
    };
    if (run.begin < interior.begin) {
      stage({run.begin, interior.begin});
      add_pieces({run.begin, interior.begin});
    }
    close_staged();
    std::byte* destination = parts_[first].destination + (interior.begin - run.begin);
    for (uint64_t begin = interior.begin; begin < interior.end;) {
      const FileRange range = {begin, std::min(interior.end, begin + capacity_)};
      add_in_place_read(range, destination + (begin - interior.begin));
      add_pieces(range);
      plan_.reads.back().piece_count =
          static_cast<uint32_t>(plan_.pieces.size()) - plan_.reads.back().first_piece;
      begin = range.end;
    }
    if (interior.end < run.end) {
      stage({interior.end, run.end});
      add_pieces({interior.end, run.end});
    }
    return end;
  }

  /// Plans one chunk through staging, for all parts [first, end) that want it. A raw chunk that
  /// does not fit a read is cut where reads end, so that no block is read twice.
  void add_staged(size_t first, size_t end) {
    FileRange range = range_of(parts_[first]);
    const uint64_t aligned_bytes =
        align_up(range.end, alignment_) - align_down(range.begin, alignment_);
    if (aligned_bytes <= capacity_ || !is_raw(parts_[first])) {
      stage(range);
      const uint64_t read_offset = range.begin - plan_.reads.back().offset;
      count_chunk(parts_[first], end - first);
      for (size_t i = first; i < end; ++i) {
        plan_.chunks.push_back({parts_[i].chunk, parts_[i].destination, parts_[i].tensor,
                                static_cast<uint32_t>(read_offset)});
      }
      return;
    }
    const uint64_t chunk_begin = range.begin;
    const uint32_t first_raw = add_raw_chunks(first, end);
    while (range.begin < range.end) {
      const uint64_t read_end = align_down(range.begin, alignment_) + capacity_;
      const FileRange piece = {range.begin, std::min(range.end, read_end)};
      stage(piece);
      for (size_t i = first; i < end; ++i) {
        add_piece(first_raw + static_cast<uint32_t>(i - first), chunk_begin, piece,
                  plan_.reads.back().offset);
      }
      range.begin = piece.end;
    }
  }

  /// Makes the open staged read cover `range`, or opens one that does.
  void stage(FileRange range) {
    if (!staged_open_ || !extends_staged(range)) {
      close_staged();
      PlanRead read;
      read.offset = align_down(range.begin, alignment_);
      read.first_chunk = static_cast<uint32_t>(plan_.chunks.size());
      read.first_piece = static_cast<uint32_t>(plan_.pieces.size());
      plan_.reads.push_back(read);
      staged_open_ = true;
    }
    staged_end_ = range.end;
  }

  /// Bytes of a block that is read anyway are no gap.
  bool extends_staged(FileRange range) const {
    const uint64_t gap_begin = align_up(staged_end_, alignment_);
    const uint64_t gap_end = align_down(range.begin, alignment_);
    if (gap_end > gap_begin && gap_end - gap_begin > options_.gap_bytes) return false;
    return range.end - plan_.reads.back().offset <= capacity_;
  }

  void close_staged() {
    if (!staged_open_) return;
    PlanRead& read = plan_.reads.back();
    read.bytes = static_cast<uint32_t>(align_up(staged_end_, alignment_) - read.offset);
    read.bytes_required = static_cast<uint32_t>(staged_end_ - read.offset);
    read.chunk_count = static_cast<uint32_t>(plan_.chunks.size()) - read.first_chunk;
    read.piece_count = static_cast<uint32_t>(plan_.pieces.size()) - read.first_piece;
    plan_.read_bytes += read.bytes;
    plan_.staged_bytes_max = std::max(plan_.staged_bytes_max, read.bytes);
    staged_open_ = false;
  }

  void add_in_place_read(FileRange range, std::byte* destination) {
    PlanRead read;
    read.offset = range.begin;
    read.bytes = static_cast<uint32_t>(range.bytes());
    read.bytes_required = read.bytes;
    read.in_place = destination;
    read.first_chunk = static_cast<uint32_t>(plan_.chunks.size());
    read.first_piece = static_cast<uint32_t>(plan_.pieces.size());
    plan_.reads.push_back(read);
    plan_.read_bytes += read.bytes;
    plan_.in_place_bytes += read.bytes;
  }

  /// Adds parts [first, end), all different chunks or all the same one, as raw chunks without
  /// pieces yet. Returns the number of the first.
  uint32_t add_raw_chunks(size_t first, size_t end) {
    const auto first_raw = static_cast<uint32_t>(plan_.raw_chunks.size());
    for (size_t i = first; i < end; ++i) {
      const bool repeats = i > first && parts_[i].chunk == parts_[i - 1].chunk;
      if (repeats) {
        plan_.decoded_bytes += chunk_of(parts_[i]).decoded_bytes;
      } else {
        count_chunk(parts_[i], 1);
      }
      plan_.raw_chunks.push_back({parts_[i].chunk, parts_[i].destination, parts_[i].tensor, 0});
    }
    return first_raw;
  }

  void add_piece(uint32_t raw_chunk, uint64_t chunk_begin, FileRange range, uint64_t read_begin) {
    PlanRawChunk& raw = plan_.raw_chunks[raw_chunk];
    ++raw.piece_count;
    plan_.pieces.push_back({raw_chunk, static_cast<uint32_t>(range.begin - read_begin),
                            static_cast<uint32_t>(range.bytes()),
                            raw.destination + (range.begin - chunk_begin)});
  }

  void count_chunk(const Part& part, uint64_t destination_count) {
    plan_.stored_bytes += chunk_of(part).stored_bytes;
    plan_.decoded_bytes += chunk_of(part).decoded_bytes * destination_count;
  }

  const Index& index_;
  const PlanOptions& options_;
  const uint64_t alignment_;
  const uint64_t capacity_;  // Of a read that cuts may shape: read_bytes in whole blocks.
  const std::vector<Part> parts_;
  ReadPlan plan_;
  bool staged_open_ = false;
  uint64_t staged_end_ = 0;  // Last needed byte of the open staged read, in the outer file.
};

}  // namespace

ReadPlan make_read_plan(const Index& index, std::span<const PlanTensor> tensors,
                        const PlanOptions& options) {
  QLOAD_ASSERT(is_power_of_two(options.alignment));
  return PlanBuilder(index, options, collect_parts(index, tensors)).build();
}

}  // namespace qload
