// Store: the bytes as they are. What does not compress must cost nothing but a copy, and where
// the reader can, not even that.
#include <cstring>

#include "format/base/format_text.h"
#include "format/codec/codec_factories.h"

namespace qload {
namespace {

class StoreDecoder final : public Decoder {
 public:
  Status decode(std::span<const std::byte> stored, std::span<std::byte> decoded) override {
    if (stored.size() != decoded.size()) {
      return Error(ErrorCode::kCorrupt, text("a stored stream has ", stored.size(),
                                             " bytes; expected ", decoded.size()));
    }
    if (!decoded.empty()) std::memcpy(decoded.data(), stored.data(), decoded.size());
    return Ok{};
  }
};

class StoreEncoder final : public Encoder {
 public:
  std::optional<size_t> encode(std::span<const std::byte> decoded,
                               std::span<std::byte> stored) override {
    if (stored.size() < decoded.size()) return std::nullopt;
    if (!decoded.empty()) std::memcpy(stored.data(), decoded.data(), decoded.size());
    return decoded.size();
  }
};

}  // namespace

std::unique_ptr<Decoder> make_store_decoder() { return std::make_unique<StoreDecoder>(); }

std::unique_ptr<Encoder> make_store_encoder(const CodecParameters&) {
  return std::make_unique<StoreEncoder>();
}

}  // namespace qload
