#include "tests/support/lane_planes.h"

#include <algorithm>
#include <cstring>

#include "format/codec/codec_factories.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload::test {
namespace {

/// About normal, with a deviation of 2^16 / sqrt(3): the sum of four uniform numbers of 16 bits.
int64_t bell(std::mt19937_64& random) {
  const uint64_t bits = random();
  return static_cast<int64_t>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) +
                              (bits >> 48)) -
         2 * 0xFFFF;
}

/// `width` is the deviation in units of 2^-16 / sqrt(3).
uint8_t bell_byte(std::mt19937_64& random, int64_t width) {
  return static_cast<uint8_t>((bell(random) * width + (int64_t{1} << 31)) >> 32);
}

/// The exponent of a normal number: mostly just below the largest, each next half as often.
uint8_t exponent_byte(std::mt19937_64& random) {
  return static_cast<uint8_t>(125 - __builtin_ctzll(random() | uint64_t{1} << 40));
}

}  // namespace

std::vector<std::byte> random_lane_plane(std::mt19937_64& random, size_t kind, size_t bytes) {
  const int64_t width = int64_t{1} << (15 + random() % 8);
  const auto a = static_cast<uint8_t>(random());
  const auto b = static_cast<uint8_t>(random());
  const uint64_t rare = uint64_t{1} << (1 + random() % 10);
  const uint8_t nibble_mask = static_cast<uint8_t>(random() | 0x11);
  size_t run = 0;
  uint8_t value = a;
  std::vector<std::byte> plane(bytes);
  for (std::byte& byte : plane) {
    uint8_t made = 0;
    switch (kind % kLanePlaneKinds) {
      case 0:
        made = bell_byte(random, width);
        break;
      case 1:
        made = random() % rare == 0 ? bell_byte(random, width) : 0;
        break;
      case 2:
        made = static_cast<uint8_t>(bell_byte(random, width) + (random() & 1 ? a : b));
        break;
      case 3:
        if (run == 0) {
          run = 1 + random() % 100;
          value = static_cast<uint8_t>(random() % 3 == 0 ? random() : a);
        }
        --run;
        made = value;
        break;
      case 4:
        made = static_cast<uint8_t>(bell_byte(random, width) & 0x0F) |
               static_cast<uint8_t>(random() % 3 << 4);
        break;
      case 5:
        made = exponent_byte(random);
        break;
      case 6:
        made = static_cast<uint8_t>(random());
        break;
      case 7:
        made = random() % (rare * 64) == 0 ? b : a;  // Often nothing but a.
        break;
      case 8:
        made = static_cast<uint8_t>(random()) & nibble_mask;
        break;
      default:
        made =
            random() % rare == 0 ? static_cast<uint8_t>(random()) : bell_byte(random, width >> 2);
        break;
    }
    byte = static_cast<std::byte>(made);
  }
  return plane;
}

LaneDecoders::LaneDecoders() {
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    decoders_.push_back(make_lane_huffman_decoder(*kernel));
  }
}

template <class Decode>
LaneOutcome LaneDecoders::compare(std::span<const std::byte> stored, size_t decoded_bytes,
                                  Decode decode) {
  const std::unique_ptr<std::byte[]> exact(new std::byte[stored.size()]);
  if (!stored.empty()) std::memcpy(exact.get(), stored.data(), stored.size());
  const std::span<const std::byte> input(exact.get(), stored.size());
  LaneOutcome first;
  for (size_t k = 0; k < decoders_.size(); ++k) {
    std::vector<std::byte> decoded(decoded_bytes, static_cast<std::byte>(0xA5 + k));
    const Status status = decode(*decoders_[k], input, decoded);
    const auto name = std::string(usable_lane_kernels()[k]->name);
    const std::string message = status.ok() ? std::string() : std::string(status.error().message());
    if (!status.ok() && status.error().code() != ErrorCode::kCorrupt) {
      first.disagreement = name + ": an error other than corrupt: " + message;
    }
    if (k == 0) {
      first.ok = status.ok();
      first.message = message;
      if (first.ok) first.decoded = std::move(decoded);
    } else if (status.ok() != first.ok || message != first.message) {
      first.disagreement = name + " says '" + message + "', scalar '" + first.message + "'";
    } else if (first.ok && decoded != first.decoded) {
      first.disagreement = name + " decodes to other bytes";
    }
  }
  return first;
}

LaneOutcome LaneDecoders::decode(std::span<const std::byte> stored, size_t decoded_bytes) {
  return compare(stored, decoded_bytes, [](Decoder& decoder, auto input, auto& decoded) {
    return decoder.decode(input, decoded);
  });
}

LaneOutcome LaneDecoders::decode_in_strips(std::span<const std::byte> stored, size_t decoded_bytes,
                                           size_t step) {
  return compare(stored, decoded_bytes, [step](Decoder& decoder, auto input, auto& decoded) {
    Status status = decoder.open(input, decoded.size());
    for (size_t at = 0; at < decoded.size() && status.ok(); at += step) {
      status = decoder.next(std::span(decoded).subspan(at, std::min(step, decoded.size() - at)));
    }
    return status.ok() ? decoder.finish() : status;
  });
}

LaneEncoders::LaneEncoders() {
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    encoders_.push_back(make_lane_huffman_encoder(*kernel));
  }
}

std::vector<std::byte> LaneEncoders::encode_by(size_t kernel, std::span<const std::byte> plane) {
  std::vector<std::byte> stored(plane.size() + plane.size() / 100 + 64);
  const auto bytes = encoders_[kernel % encoders_.size()]->encode(plane, stored);
  stored.resize(bytes.value_or(0));
  return stored;
}

std::vector<std::byte> LaneEncoders::encode(std::span<const std::byte> plane,
                                            std::string& disagreement) {
  const std::vector<std::byte> first = encode_by(0, plane);
  if (first.empty()) disagreement = "a stream is larger than its bound";
  for (size_t k = 1; k < encoders_.size(); ++k) {
    if (encode_by(k, plane) == first) continue;
    disagreement = std::string(usable_lane_kernels()[k]->name) + " encodes to other bytes";
  }
  return first;
}

void corrupt_lane_stream(std::mt19937_64& random, std::vector<std::byte>& stored) {
  if (stored.empty()) stored.resize(1);
  // Headers and sizes are the first bytes: half of the changes go there.
  const size_t reach = random() % 2 == 0 ? std::min<size_t>(stored.size(), 64) : stored.size();
  for (size_t i = 1 + random() % 3; i > 0; --i) {
    std::byte& byte = stored[random() % reach];
    switch (random() % 3) {
      case 0:
        byte ^= static_cast<std::byte>(1u << random() % 8);
        break;
      case 1:
        byte = static_cast<std::byte>(random());
        break;
      default:
        byte = static_cast<std::byte>(static_cast<uint32_t>(byte) + (random() % 2 == 0 ? 1 : 255));
        break;
    }
  }
  if (random() % 8 == 0) stored.resize(1 + random() % stored.size());
  if (random() % 16 == 0) stored.resize(stored.size() + random() % 70);
}

}  // namespace qload::test
