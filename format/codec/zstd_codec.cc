// zstd: one frame (RFC 8878) with its content size, no dictionary. The owner of libzstd.
//
// Quantized weights repeat no strings, so match search finds only accidents: three-byte matches
// that cost more than the literals they replace and make the decoder jump. The literals-only mode
// therefore starves the search and leaves the Huffman stage, and any zstd decodes the result.
#define ZSTD_STATIC_LINKING_ONLY  // ZSTD_c_literalCompressionMode; an enumerator, no ABI.
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/codec/codec_factories.h"

namespace qload {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// RFC 8878, 3.1.1.1.2: the window that a Window_Descriptor byte asks for.
uint64_t window_bytes(uint8_t descriptor) {
  const uint64_t base = 1ull << (10 + (descriptor >> 3));
  return base + base / 8 * (descriptor & 7);
}

/// Checks what zstd itself would let pass: that `stored` is one ordinary frame, whole, nothing
/// after it, without a dictionary, of the promised size, decodable by a reader with a window of
/// one chunk. Skippable and old-version frames have another magic number.
Status check_frame(std::span<const std::byte> stored, uint64_t decoded_bytes) {
  constexpr size_t kHeaderBytesMin = 6;  // Magic, descriptor, and a window or a content size.
  if (stored.size() < kHeaderBytesMin || load_le<uint32_t>(stored.data()) != ZSTD_MAGICNUMBER) {
    return corrupt("no zstd frame at its start");
  }
  const auto descriptor = static_cast<uint8_t>(stored[4]);
  if ((descriptor & 3) != 0) return corrupt("zstd frame asks for a dictionary; none is allowed");
  const bool single_segment = (descriptor & 0x20) != 0;
  if (!single_segment) {
    const uint64_t window = window_bytes(static_cast<uint8_t>(stored[5]));
    if (window > kChunkBytesMax) {
      return corrupt(text("zstd frame asks for a window of ", window, " bytes; at most ",
                          kChunkBytesMax, " are allowed"));
    }
  }
  const unsigned long long content = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (content == ZSTD_CONTENTSIZE_ERROR) return corrupt("zstd frame header is damaged");
  if (content == ZSTD_CONTENTSIZE_UNKNOWN) return corrupt("zstd frame lacks its content size");
  if (content != decoded_bytes) {
    return corrupt(text("zstd frame holds ", content, " bytes; expected ", decoded_bytes));
  }
  const size_t frame = ZSTD_findFrameCompressedSize(stored.data(), stored.size());
  if (ZSTD_isError(frame)) return corrupt(text("zstd frame: ", ZSTD_getErrorName(frame)));
  if (frame != stored.size()) {
    return corrupt(text("zstd frame takes ", frame, " of ", stored.size(), " stored bytes"));
  }
  return Ok{};
}

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) {}

  Status decode(std::span<const std::byte> stored, std::span<std::byte> decoded) override {
    if (context_ == nullptr) {
      return Error(ErrorCode::kOutOfMemory, "no memory for a zstd decoder");
    }
    auto checked = check_frame(stored, decoded.size());
    if (!checked.ok()) return checked;
    // Decodes in one call, with `decoded` itself as the window: nothing is allocated.
    const size_t written = ZSTD_decompressDCtx(context_.get(), decoded.data(), decoded.size(),
                                               stored.data(), stored.size());
    if (ZSTD_isError(written)) return corrupt(text("zstd frame: ", ZSTD_getErrorName(written)));
    if (written != decoded.size()) {
      return corrupt(text("zstd frame gave ", written, " bytes; expected ", decoded.size()));
    }
    return Ok{};
  }

 private:
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
};

struct Setting {
  ZSTD_cParameter parameter;
  int value;
};

bool apply(ZSTD_CCtx* context, std::span<const Setting> settings) {
  return std::ranges::all_of(settings, [&](const Setting& setting) {
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, setting.parameter, setting.value));
  });
}

/// Null when memory ran out.
ZSTD_CCtx* make_compression_context(const CodecParameters& parameters) {
  std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (context == nullptr) return nullptr;
  const Setting frame[] = {
      {ZSTD_c_contentSizeFlag, 1}, {ZSTD_c_checksumFlag, 0}, {ZSTD_c_dictIDFlag, 0}};
  bool applied = apply(context.get(), frame);
  if (parameters.literals_only) {
    // The longest step between tries, the longest minimum match and the smallest table that zstd
    // takes. A window below 17 would shrink its 128 KiB blocks, each of which has a Huffman table.
    const Setting literals[] = {
        {ZSTD_c_strategy, ZSTD_fast},
        {ZSTD_c_targetLength, ZSTD_cParam_getBounds(ZSTD_c_targetLength).upperBound},
        {ZSTD_c_minMatch, 7},
        {ZSTD_c_hashLog, 6},
        {ZSTD_c_windowLog, 17},
        {ZSTD_c_literalCompressionMode, ZSTD_ps_enable}};
    applied = applied && apply(context.get(), literals);
  } else {
    const Setting level[] = {{ZSTD_c_compressionLevel, std::clamp(parameters.level, -7, 22)}};
    applied = applied && apply(context.get(), level);
  }
  return applied ? context.release() : nullptr;
}

class ZstdEncoder final : public Encoder {
 public:
  explicit ZstdEncoder(const CodecParameters& parameters)
      : context_(make_compression_context(parameters)) {}

  /// Nothing, too, when memory runs out: the stream is then stored, which is always right.
  std::optional<size_t> encode(std::span<const std::byte> decoded,
                               std::span<std::byte> stored) override {
    if (context_ == nullptr) return std::nullopt;
    const size_t written = ZSTD_compress2(context_.get(), stored.data(), stored.size(),
                                          decoded.data(), decoded.size());
    if (ZSTD_isError(written)) return std::nullopt;
    return written;
  }

 private:
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
};

}  // namespace

std::unique_ptr<Decoder> make_zstd_decoder() { return std::make_unique<ZstdDecoder>(); }

std::unique_ptr<Encoder> make_zstd_encoder(const CodecParameters& parameters) {
  return std::make_unique<ZstdEncoder>(parameters);
}

}  // namespace qload
