// fse: table-driven asymmetric numeral systems (J. Duda, "Asymmetric numeral systems", 2013; the
// tables are spread as Y. Collet's Finite State Entropy does). It codes each byte with a fraction
// of a bit, where Huffman codes whole bits: about 1 % smaller than Huffman on weights and far
// smaller below 2 bits a byte, but slower to decode. Its stream is docs/format_fse.md's, not
// zstd's.
#include "format/codec/codec_factories.h"
#include "format/codec/fse/fse_decode.h"
#include "format/codec/fse/fse_encode.h"

namespace qload {
namespace {

class FseDecoder final : public Decoder {
 public:
  Status decode(std::span<const std::byte> stored, std::span<std::byte> decoded) override {
    return decode_fse(stored, decoded, fse_rounds_kernels().back(), table_);
  }

 private:
  FseDecodeTable table_;
};

class FseEncoder final : public Encoder {
 public:
  std::optional<size_t> encode(std::span<const std::byte> decoded,
                               std::span<std::byte> stored) override {
    return encode_fse(decoded, stored, memory_);
  }

 private:
  FseEncodeMemory memory_;
};

}  // namespace

std::unique_ptr<Decoder> make_fse_decoder() { return std::make_unique<FseDecoder>(); }

uint64_t estimate_fse_bytes(const ByteCounts& counts, uint64_t total) {
  constexpr double kOverEntropy = 1.0015;  // docs/performance.md
  const double bits = static_cast<double>(order_0_bits(counts)) * kOverEntropy;
  return std::min(static_cast<uint64_t>(bits / 8), total);
}

std::unique_ptr<Encoder> make_fse_encoder(const CodecParameters&) {
  return std::make_unique<FseEncoder>();
}

}  // namespace qload
