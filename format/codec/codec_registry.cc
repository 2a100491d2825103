// The only list of codecs. A new one is one entry here and one file beside this one.
#include <algorithm>

#include "format/base/assert.h"
#include "format/codec/codec.h"
#include "format/codec/codec_factories.h"

namespace qload {
namespace {

constexpr Codec kCodecs[] = {
    {CodecId::kStore, "store", make_store_decoder, make_store_encoder},
    {CodecId::kConstant, "constant", make_constant_decoder, make_constant_encoder, true},
    {CodecId::kZstd, "zstd", make_zstd_decoder, make_zstd_encoder},
    {CodecId::kLaneHuffman, "lane_huffman", make_lane_huffman_decoder, make_lane_huffman_encoder,
     true, estimate_lane_huffman_bytes},
    {CodecId::kFse, "fse", make_fse_decoder, make_fse_encoder, false, estimate_fse_bytes},
};

static_assert(std::ranges::all_of(kCodecs, [](const Codec& codec) {
  return static_cast<size_t>(codec.id) < kCodecIdCount;
}));

[[noreturn]] void no_strips() {
  assertion_failed("the codec decodes in strips", __FILE__, __LINE__);
}

}  // namespace

Status Decoder::open(std::span<const std::byte>, size_t) { no_strips(); }
Status Decoder::next(std::span<std::byte>) { no_strips(); }
Status Decoder::finish() { no_strips(); }

std::span<const Codec> all_codecs() { return kCodecs; }

const Codec* find_codec(CodecId id) {
  const auto* found = std::ranges::find(kCodecs, id, &Codec::id);
  return found == std::end(kCodecs) ? nullptr : found;
}

const Codec* find_codec(std::string_view name) {
  const auto* found = std::ranges::find(kCodecs, name, &Codec::name);
  return found == std::end(kCodecs) ? nullptr : found;
}

}  // namespace qload
