// What a DecodeContext holds: for decode_chunk and ChunkStrips.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "format/base/assert.h"
#include "format/chunk/chunk.h"
#include "format/chunk/scratch.h"
#include "format/codec/codec_factories.h"

namespace qload {

/// A decoder for each codec and stream met so far, and room for strips and planes of one chunk.
struct DecodeContext::State {
  /// Only a codec that decodes in strips has several streams open at once.
  Decoder& decoder(const Codec& codec, uint32_t stream) {
    auto& made = decoders[static_cast<size_t>(codec.id)][codec.in_strips ? stream : 0];
    if (made == nullptr) {
      made = codec.id == CodecId::kLaneHuffman && kernel != nullptr
                 ? make_lane_huffman_decoder(*kernel)
                 : codec.make_decoder();
    }
    return *made;
  }

  const LaneKernel* kernel = nullptr;
  bool around_cache = false;
  std::array<std::array<std::unique_ptr<Decoder>, kStreamCountMax>, kCodecIdCount> decoders;
  Scratch scratch;
};

/// The codec of a stream whose form has been checked.
inline const Codec& codec_of(const StreamForm& form) {
  const Codec* codec = find_codec(form.codec);
  QLOAD_ASSERT(codec != nullptr);
  return *codec;
}

}  // namespace qload
