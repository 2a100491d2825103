// Three sieves, each dearer than the one before and met by fewer tensors: form and size, sampled
// blocks, digests. What is left is compared byte for byte, so that no collision loses data.
#include "format/pack/find_duplicates.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

#include "format/base/checksum.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"

namespace qload {
namespace {

// Layers of one model agree in every size and differ everywhere: the first block tells nearly all
// apart. The others are for tensors with regions that agree (padding, zeros), and are read only
// for those. A block is one page of the page cache, the least that a read costs.
constexpr uint64_t kSampleBytes = 4096;
constexpr uint64_t kSampleCount = 4;
static_assert(kSampleBytes <= kDuplicateBytesMin, "a sample lies within its tensor");

// Large enough that system calls do not count, small enough that one pair of large tensors keeps
// every thread busy.
constexpr uint64_t kPieceBytes = 1u << 20;

/// What tells tensors apart so far; by tensor number.
using Key = std::array<uint64_t, 2>;

/// Numbers of tensors that nothing has told apart yet, ascending; two at least.
using Group = std::vector<uint32_t>;

Key key_of(const Digest& digest) {
  Key key;
  std::memcpy(key.data(), digest.bytes, sizeof key);
  return key;
}

/// Appends the runs of equal neighbours in `numbers`, without those of one.
template <class Equal>
void append_groups(std::span<const uint32_t> numbers, Equal equal, std::vector<Group>& groups) {
  for (size_t begin = 0; begin < numbers.size();) {
    size_t end = begin + 1;
    while (end < numbers.size() && equal(numbers[begin], numbers[end])) ++end;
    if (end - begin > 1) groups.emplace_back(numbers.begin() + begin, numbers.begin() + end);
    begin = end;
  }
}

/// Tensors that would be cut and coded alike.
std::vector<Group> group_by_form(std::span<const SourceTensor> tensors) {
  auto form = [&](uint32_t i) {
    const SourceTensor& tensor = tensors[i];
    uint64_t row = tensor.shape.empty() ? 0 : tensor.shape.back();
    return std::tuple(tensor.bytes, tensor.dtype, tensor.shape.empty(), row);
  };
  Group numbers(tensors.size());
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::erase_if(numbers, [&](uint32_t i) { return tensors[i].bytes < kDuplicateBytesMin; });
  std::ranges::stable_sort(numbers, {}, form);
  std::vector<Group> groups;
  append_groups(
      numbers, [&](uint32_t a, uint32_t b) { return form(a) == form(b); }, groups);
  return groups;
}

std::vector<Group> group_by_key(std::vector<Group> groups, std::span<const Key> keys) {
  std::vector<Group> finer;
  for (Group& group : groups) {
    std::ranges::stable_sort(group, {}, [&](uint32_t i) { return keys[i]; });
    append_groups(
        group, [&](uint32_t a, uint32_t b) { return keys[a] == keys[b]; }, finer);
  }
  return finer;
}

std::vector<uint32_t> members_of(std::span<const Group> groups) {
  std::vector<uint32_t> members;
  for (const Group& group : groups) members.insert(members.end(), group.begin(), group.end());
  return members;
}

/// A part of one of several streams of bytes.
struct Piece {
  size_t stream = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool is_last = false;  ///< Of its stream.
};

/// Streams cut into pieces that are numbered through.
class PieceList {
 public:
  /// REQUIRES: bytes > 0.
  void add(uint64_t bytes) {
    first_.push_back(count_);
    bytes_.push_back(bytes);
    count_ += (bytes - 1) / kPieceBytes + 1;
  }
  uint64_t count() const { return count_; }
  /// REQUIRES: number < count().
  Piece at(uint64_t number) const {
    auto after = std::upper_bound(first_.begin(), first_.end(), number);
    auto stream = static_cast<size_t>(after - first_.begin()) - 1;
    uint64_t offset = (number - first_[stream]) * kPieceBytes;
    uint64_t bytes = std::min(bytes_[stream] - offset, kPieceBytes);
    return {stream, offset, bytes, offset + bytes == bytes_[stream]};
  }

 private:
  std::vector<uint64_t> first_;
  std::vector<uint64_t> bytes_;
  uint64_t count_ = 0;
};

/// One call of find_duplicates.
class DuplicateSearch {
 public:
  DuplicateSearch(const ModelSource& source, uint32_t threads, ProgressMeter& progress,
                  std::stop_token stop)
      : source_(source),
        threads_(threads),
        progress_(progress),
        stop_(std::move(stop)),
        keys_(source.tensors().size()),
        buffers_(threads) {}

  Result<std::vector<uint32_t>> run() {
    std::vector<uint32_t> same_as(source_.tensors().size());
    std::iota(same_as.begin(), same_as.end(), 0u);
    std::vector<Group> groups = group_by_form(source_.tensors());
    for (uint64_t sample = 0; sample < kSampleCount && !groups.empty(); ++sample) {
      QLOAD_CHECK(read_samples(members_of(groups), sample));
      groups = group_by_key(std::move(groups), keys_);
    }
    if (groups.empty()) return same_as;
    const uint64_t compared_max = compared_bytes(groups);
    progress_.expect(digested_bytes(groups) + compared_max);
    QLOAD_CHECK(digest_all(members_of(groups)));
    groups = group_by_key(std::move(groups), keys_);
    progress_.add(compared_max - compared_bytes(groups));  // Spared.
    QLOAD_CHECK(compare_all(groups, same_as));
    return same_as;
  }

 private:
  /// Two pieces of one worker thread.
  struct Buffers {
    std::vector<std::byte> one;
    std::vector<std::byte> other;
  };

  uint64_t bytes_of(uint32_t tensor) const { return source_.tensors()[tensor].bytes; }
  uint64_t digested_bytes(std::span<const Group> groups) const {
    uint64_t bytes = 0;
    for (const Group& group : groups) bytes += bytes_of(group.front()) * group.size();
    return bytes;
  }
  uint64_t compared_bytes(std::span<const Group> groups) const {
    uint64_t bytes = 0;
    for (const Group& group : groups) bytes += bytes_of(group.front()) * (group.size() - 1);
    return bytes;
  }

  Status read(uint32_t tensor, uint64_t offset, uint64_t bytes, std::vector<std::byte>& into) const;
  Status read_samples(std::span<const uint32_t> tensors, uint64_t sample);
  Status digest_all(std::span<const uint32_t> tensors);
  Status compare_all(std::span<const Group> groups, std::vector<uint32_t>& same_as);

  const ModelSource& source_;
  const uint32_t threads_;
  ProgressMeter& progress_;
  const std::stop_token stop_;
  std::vector<Key> keys_;
  std::vector<Buffers> buffers_;
};

Status DuplicateSearch::read(uint32_t number, uint64_t offset, uint64_t bytes,
                             std::vector<std::byte>& into) const {
  const SourceTensor& tensor = source_.tensors()[number];
  into.resize(bytes);
  return source_.read(tensor.file, tensor.offset + offset, into);
}

/// Makes a checksum of one block the key of each tensor. The middle comes first: beginnings and
/// ends agree more often. Example: of 20480 bytes, the blocks at 8192, 16384, 0 and 4096.
Status DuplicateSearch::read_samples(std::span<const uint32_t> tensors, uint64_t sample) {
  static constexpr std::array<uint64_t, kSampleCount> kQuarters = {2, 4, 0, 1};
  OrderedWork work;
  work.item_count = tensors.size();
  work.threads = threads_;
  work.produce = [&](uint32_t thread, uint32_t, uint64_t item) -> Status {
    uint32_t tensor = tensors[item];
    uint64_t last = bytes_of(tensor) - kSampleBytes;
    uint64_t offset = last / 4 * kQuarters[sample] + last % 4 * kQuarters[sample] / 4;
    std::vector<std::byte>& block = buffers_[thread].one;
    QLOAD_CHECK(read(tensor, offset, kSampleBytes, block));
    keys_[tensor] = {checksum64(block), 0};  // No other item writes this key.
    return Ok{};
  };
  work.consume = [](uint32_t, uint64_t) -> Status { return Ok{}; };
  return run_ordered(work, stop_);
}

/// Makes a digest of all its bytes the key of each tensor: XXH3-128 of the digests of its pieces,
/// so that the pieces of one tensor are digested in parallel.
Status DuplicateSearch::digest_all(std::span<const uint32_t> tensors) {
  PieceList pieces;
  for (uint32_t tensor : tensors) pieces.add(bytes_of(tensor));
  std::vector<Key> slots(pipeline_slot_count(threads_));
  DigestStream stream;
  OrderedWork work;
  work.item_count = pieces.count();
  work.threads = threads_;
  work.produce = [&](uint32_t thread, uint32_t slot, uint64_t item) -> Status {
    Piece piece = pieces.at(item);
    std::vector<std::byte>& bytes = buffers_[thread].one;
    QLOAD_CHECK(read(tensors[piece.stream], piece.offset, piece.bytes, bytes));
    slots[slot] = key_of(digest_of(bytes));
    return Ok{};
  };
  work.consume = [&](uint32_t slot, uint64_t item) -> Status {
    Piece piece = pieces.at(item);
    stream.update(std::as_bytes(std::span(slots[slot])));
    if (piece.is_last) {
      keys_[tensors[piece.stream]] = key_of(stream.finish());
      stream.reset();
    }
    progress_.add(piece.bytes);
    return Ok{};
  };
  return run_ordered(work, stop_);
}

/// Compares every tensor with the first of its group. One that differs from it (its digest
/// collides) stays by itself: it is not worth a search for others that collide alike.
Status DuplicateSearch::compare_all(std::span<const Group> groups, std::vector<uint32_t>& same_as) {
  PieceList pieces;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  for (const Group& group : groups) {
    for (uint32_t tensor : std::span(group).subspan(1)) {
      pairs.emplace_back(group.front(), tensor);
      pieces.add(bytes_of(tensor));
    }
  }
  std::vector<char> slots(pipeline_slot_count(threads_));  // Whether the two pieces are equal.
  bool equal = true;                                       // So far, those of the current pair.
  OrderedWork work;
  work.item_count = pieces.count();
  work.threads = threads_;
  work.produce = [&](uint32_t thread, uint32_t slot, uint64_t item) -> Status {
    Piece piece = pieces.at(item);
    Buffers& buffers = buffers_[thread];
    const auto& [first, second] = pairs[piece.stream];
    QLOAD_CHECK(read(first, piece.offset, piece.bytes, buffers.one));
    QLOAD_CHECK(read(second, piece.offset, piece.bytes, buffers.other));
    slots[slot] = std::memcmp(buffers.one.data(), buffers.other.data(), piece.bytes) == 0;
    return Ok{};
  };
  work.consume = [&](uint32_t slot, uint64_t item) -> Status {
    Piece piece = pieces.at(item);
    equal = equal && slots[slot] != 0;
    if (piece.is_last) {
      const auto& [first, second] = pairs[piece.stream];
      if (equal) same_as[second] = first;
      equal = true;
    }
    progress_.add(piece.bytes);
    return Ok{};
  };
  return run_ordered(work, stop_);
}

}  // namespace

Result<std::vector<uint32_t>> find_duplicates(const ModelSource& source, uint32_t threads,
                                              ProgressMeter& progress, std::stop_token stop) {
  return DuplicateSearch(source, threads, progress, std::move(stop)).run();
}

}  // namespace qload
