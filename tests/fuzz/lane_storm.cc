// A long run of lane_huffman: planes of every kind, encoded by the product or, in random codes, by
// the reference; decoded by every kernel; and damaged, and decoded again. All kernels must agree in
// status, message and bytes, and give the plane back. Anything else is printed with the seed that
// makes it again, and the exit status is 1.
//
// Usage: lane_storm [--planes N] [--seed S] [--threads T]
// Plane p of seed S is the same on every machine and any number of threads.
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/lane_planes.h"
#include "tests/support/lane_reference.h"

namespace qload {
namespace {

using Bytes = std::vector<std::byte>;

struct Counts {
  uint64_t planes = 0, plane_bytes = 0, stored_bytes = 0;
  uint64_t plain = 0, nibbles = 0, four_groups = 0, lone = 0, raw_bits = 0, escapes = 0, nested = 0;
  uint64_t damaged = 0, damaged_valid = 0, strips = 0, compared_with_reference = 0;

  void add(const Counts& other) {
    planes += other.planes, plane_bytes += other.plane_bytes, stored_bytes += other.stored_bytes;
    plain += other.plain, nibbles += other.nibbles, four_groups += other.four_groups;
    lone += other.lone, raw_bits += other.raw_bits, escapes += other.escapes;
    nested += other.nested, damaged += other.damaged, damaged_valid += other.damaged_valid;
    strips += other.strips, compared_with_reference += other.compared_with_reference;
  }

  /// What the first segment of a stream is.
  void note(const Bytes& stored) {
    nibbles += stored[0] == std::byte{1};
    if (stored.size() < test::kGroupSizesAt) return;
    const auto field = [&](size_t at) {
      uint32_t value;
      std::memcpy(&value, stored.data() + at, sizeof value);
      return value;
    };
    plain += stored[test::kGroupsAt] == std::byte{0};
    four_groups += stored[test::kGroupsAt] == std::byte{4};
    lone += stored[test::kGroupsAt] != std::byte{0} && field(test::kGroupSizesAt) == 0;
    raw_bits += stored[test::kRawBitsAt] != std::byte{0};
    escapes += field(test::kEscapeCountAt) > 0;
    nested += field(test::kEscapeBytesAt) < field(test::kEscapeCountAt);
  }

  void print() const {
    std::printf("%" PRIu64 " planes, %" PRIu64 " bytes, %" PRIu64 " stored bytes\n", planes,
                plane_bytes, stored_bytes);
    std::printf("stored as they are %" PRIu64 ", nibbles %" PRIu64 ", 4 groups %" PRIu64
                ", lone %" PRIu64 ", raw bits %" PRIu64 ", escapes %" PRIu64 " (nested %" PRIu64
                ")\n",
                plain, nibbles, four_groups, lone, raw_bits, escapes, nested);
    std::printf("damaged streams %" PRIu64 ", of which valid %" PRIu64 "; in strips %" PRIu64
                "; read by the reference %" PRIu64 "\n",
                damaged, damaged_valid, strips, compared_with_reference);
  }
};

/// Mostly 64 to 2048 bytes; one in 16 near a border of rows, strips or groups, and one in 1024 near
/// a segment's.
size_t random_length(std::mt19937_64& random) {
  constexpr size_t kBorders[] = {64, 128, 256, 512, 1024, 2048, 4096, 16'384, 32'768};
  const size_t near = random() % 131;
  if (random() % 1024 == 0) return 65'536 - 65 + near * (random() % 32);
  if (random() % 16 != 0) return random() % 32 == 0 ? random() % 64 : 64 + random() % 1985;
  // Large ones are rare.
  const size_t border = kBorders[std::min(random() % 9, random() % 9)];
  return border > 4096 && random() % 4 != 0 ? near : border - std::min<size_t>(border, 65) + near;
}

class Storm {
 public:
  explicit Storm(uint64_t seed) : seed_(seed) {}

  /// Runs one plane; false when something is wrong.
  bool run(uint64_t plane_number) {
    std::mt19937_64 random(seed_ * 0x9E3779B97F4A7C15 + plane_number);
    const Bytes plane = test::random_lane_plane(random, random(), random_length(random));
    Bytes stored;
    const bool by_reference = plane.size() >= 64 && plane.size() <= 4096 && random() % 4 == 0;
    if (by_reference) {
      stored = test::random_lane_stream(random, plane, random() % 4 == 0);
    } else if (random() % 4 != 0) {  // Choosing the code takes most of the time.
      stored = encoders_.encode_by(random(), plane);
      if (stored.empty()) return fail(plane_number, "a stream is larger than its bound");
    } else {
      std::string disagreement;
      stored = encoders_.encode(plane, disagreement);
      if (!disagreement.empty()) return fail(plane_number, disagreement);
    }
    ++counts.planes;
    counts.plane_bytes += plane.size();
    counts.stored_bytes += stored.size();
    counts.note(stored);
    const bool in_strips = random() % 8 == 0;
    counts.strips += in_strips;
    const test::LaneOutcome outcome =
        in_strips ? decoders_.decode_in_strips(stored, plane.size(), 256 * (1 + random() % 8))
                  : decoders_.decode(stored, plane.size());
    if (!outcome.disagreement.empty()) return fail(plane_number, outcome.disagreement);
    if (!outcome.ok) return fail(plane_number, "refused: " + outcome.message);
    if (outcome.decoded != plane) return fail(plane_number, "other bytes");
    if (plane.size() <= 512 && random() % 64 == 0) {
      ++counts.compared_with_reference;
      if (test::reference_decode(stored, plane.size()) != plane) {
        return fail(plane_number, "the reference reads another plane");
      }
    }
    return plane.size() > 4096 || damage(plane_number, random, stored, plane.size());
  }

  Counts counts;

 private:
  bool damage(uint64_t plane_number, std::mt19937_64& random, Bytes& stored, size_t bytes) {
    test::corrupt_lane_stream(random, stored);
    const test::LaneOutcome outcome = decoders_.decode(stored, bytes);
    ++counts.damaged;
    counts.damaged_valid += outcome.ok;
    if (!outcome.disagreement.empty()) {
      return fail(plane_number, "damaged: " + outcome.disagreement);
    }
    if (bytes > 512 || random() % 64 != 0) return true;
    ++counts.compared_with_reference;
    const auto reference = test::reference_decode(stored, bytes);
    if (reference.has_value() != outcome.ok || (reference && *reference != outcome.decoded)) {
      return fail(plane_number, "damaged: the reference disagrees: " + outcome.message);
    }
    return true;
  }

  bool fail(uint64_t plane_number, const std::string& what) const {
    std::fprintf(stderr, "lane_storm: seed %" PRIu64 ", plane %" PRIu64 ": %s\n", seed_,
                 plane_number, what.c_str());
    return false;
  }

  const uint64_t seed_;
  test::LaneEncoders encoders_;
  test::LaneDecoders decoders_;
};

int storm(uint64_t planes, uint64_t seed, uint64_t thread_count) {
  constexpr uint64_t kBatch = 256;
  std::atomic<uint64_t> next = 0;
  std::atomic<bool> good = true;
  std::mutex mutex;
  Counts sum;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < thread_count; ++t) {
    threads.emplace_back([&] {
      Storm storm(seed);
      for (uint64_t first; good && (first = next.fetch_add(kBatch)) < planes;) {
        for (uint64_t p = first; p < std::min(first + kBatch, planes); ++p) {
          if (!storm.run(p)) good = false;
        }
      }
      const std::lock_guard lock(mutex);
      sum.add(storm.counts);
    });
  }
  for (std::thread& thread : threads) thread.join();
  sum.print();
  std::printf("seed %" PRIu64 ": %s\n", seed, good ? "all kernels agree" : "FAILED");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace qload

int main(int argc, char** argv) {
  uint64_t planes = 100'000;
  uint64_t seed = 1;
  uint64_t threads = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--planes") {
      planes = value;
    } else if (name == "--seed") {
      seed = value;
    } else if (name == "--threads" && value > 0) {
      threads = value;
    } else {
      argc = 0;
    }
  }
  if (argc % 2 == 0) {
    std::fprintf(stderr, "usage: lane_storm [--planes N] [--seed S] [--threads T]\n");
    return 2;
  }
  return qload::storm(planes, seed, threads);
}
