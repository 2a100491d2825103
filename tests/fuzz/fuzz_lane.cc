// Fuzz target: lane_huffman by every kernel, which must agree in status, message and bytes.
//
// Input: byte 0 says what to do to the rest.
//   0: u24 decoded bytes, then a stored stream: decoded by every kernel, whole and in strips, and
//      when it is small by the reference too.
//   1: a plane: encoded by every kernel, and decoded.
//   2: u32 seed, then a plane: encoded, and the stream damaged by that seed.
//   3: u32 seed, u8 nibbles, then a plane: written by the reference in a random code, and decoded.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "format/base/bytes.h"
#include "tests/support/lane_planes.h"
#include "tests/support/lane_reference.h"

namespace {

using namespace qload;
using Bytes = std::vector<std::byte>;

// The reference takes a microsecond a byte, and what is decoded may be far larger than the input.
constexpr size_t kReferenceBytesMax = 4096;
constexpr size_t kDecodedBytesMax = 1u << 20;
constexpr size_t kPlaneBytesMax = 1u << 18;

/// A wrong answer is as bad as a crash: make it one.
void require(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_lane: %s\n", what.c_str());
  std::abort();
}

void check_stream(const Bytes& stored, size_t decoded_bytes, const Bytes* expected) {
  static test::LaneDecoders decoders;
  const test::LaneOutcome outcome = decoders.decode(stored, decoded_bytes);
  require(outcome.disagreement.empty(), outcome.disagreement);
  if (expected != nullptr) {
    require(outcome.ok, "a good stream is refused: " + outcome.message);
    require(outcome.decoded == *expected, "decoded bytes differ from the plane");
  }
  const size_t step = 256 * (1 + stored.size() % 7);
  const test::LaneOutcome strips = decoders.decode_in_strips(stored, decoded_bytes, step);
  require(strips.disagreement.empty(), "in strips: " + strips.disagreement);
  require(strips.ok == outcome.ok, "strips and the whole differ: " + strips.message);
  require(strips.decoded == outcome.decoded, "strips decode to other bytes");
  if (decoded_bytes > kReferenceBytesMax) return;
  const auto reference = test::reference_decode(stored, decoded_bytes);
  require(reference.has_value() == outcome.ok, "the reference disagrees: " + outcome.message);
  require(!reference || *reference == outcome.decoded, "the reference decodes to other bytes");
}

Bytes encode(const Bytes& plane) {
  static test::LaneEncoders encoders;
  std::string disagreement;
  Bytes stored = encoders.encode(plane, disagreement);
  require(disagreement.empty(), disagreement);
  return stored;
}

Bytes rest_of(ByteReader& reader, size_t bytes_max) {
  const auto rest = *reader.read_bytes(std::min<size_t>(reader.remaining(), bytes_max));
  return {rest.begin(), rest.end()};
}

void decode_hostile(ByteReader reader) {
  const auto low = reader.read<uint16_t>();
  const auto high = reader.read<uint8_t>();
  if (!low || !high) return;
  const size_t decoded_bytes = *low | size_t{*high} << 16;
  check_stream(rest_of(reader, SIZE_MAX), std::min(decoded_bytes, kDecodedBytesMax), nullptr);
}

void damage(ByteReader reader) {
  const auto seed = reader.read<uint32_t>();
  if (!seed) return;
  const Bytes plane = rest_of(reader, kPlaneBytesMax);
  std::mt19937_64 random(*seed);
  Bytes stored = encode(plane);
  test::corrupt_lane_stream(random, stored);
  check_stream(stored, plane.size(), nullptr);
}

void write_by_reference(ByteReader reader) {
  const auto seed = reader.read<uint32_t>();
  const auto nibbles = reader.read<uint8_t>();
  if (!seed || !nibbles) return;
  const Bytes plane = rest_of(reader, 4 * kReferenceBytesMax);
  if (plane.size() < 64) return;
  std::mt19937_64 random(*seed);
  check_stream(test::random_lane_stream(random, plane, (*nibbles & 1) != 0), plane.size(), &plane);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader reader(std::as_bytes(std::span(data, size)));
  const auto what = reader.read<uint8_t>();
  if (!what) return 0;
  switch (*what & 3) {
    case 0:
      decode_hostile(reader);
      break;
    case 1: {
      const Bytes plane = rest_of(reader, kPlaneBytesMax);
      check_stream(encode(plane), plane.size(), &plane);
      break;
    }
    case 2:
      damage(reader);
      break;
    default:
      write_by_reference(reader);
      break;
  }
  return 0;
}
