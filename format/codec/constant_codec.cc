// Constant: one byte, repeated. Zeroed tensors, padding, and the high planes of small integers.
#include <cstring>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/codec/codec_factories.h"

namespace qload {
namespace {

class ConstantDecoder final : public Decoder {
 public:
  Status decode(std::span<const std::byte> stored, std::span<std::byte> decoded) override {
    QLOAD_CHECK(open(stored, decoded.size()));
    return next(decoded);
  }
  Status open(std::span<const std::byte> stored, size_t decoded_bytes) override {
    if (stored.size() != 1 || decoded_bytes == 0) {
      return Error(ErrorCode::kCorrupt,
                   text("a constant stream of ", decoded_bytes, " bytes is stored in ",
                        stored.size(), "; expected 1 byte for 1 or more"));
    }
    value_ = stored[0];
    return Ok{};
  }
  Status next(std::span<std::byte> decoded) override {
    std::memset(decoded.data(), static_cast<int>(value_), decoded.size());
    return Ok{};
  }
  Status finish() override { return Ok{}; }

 private:
  std::byte value_{0};
};

class ConstantEncoder final : public Encoder {
 public:
  std::optional<size_t> encode(std::span<const std::byte> decoded,
                               std::span<std::byte> stored) override {
    if (decoded.empty() || stored.empty()) return std::nullopt;
    // All bytes are equal when each equals the one before it. Ordinary data differs in its first
    // few bytes, where memcmp stops.
    if (std::memcmp(decoded.data(), decoded.data() + 1, decoded.size() - 1) != 0) {
      return std::nullopt;
    }
    stored[0] = decoded[0];
    return 1;
  }
};

}  // namespace

std::unique_ptr<Decoder> make_constant_decoder() { return std::make_unique<ConstantDecoder>(); }

std::unique_ptr<Encoder> make_constant_encoder(const CodecParameters&) {
  return std::make_unique<ConstantEncoder>();
}

}  // namespace qload
