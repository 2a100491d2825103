// lane_huffman in the registry: the chosen kernel's decoder and encoder.
#include <memory>

#include "format/codec/codec_factories.h"
#include "format/codec/lane_huffman/lane_decoder.h"
#include "format/codec/lane_huffman/lane_encoder.h"

namespace qload {

std::unique_ptr<Decoder> make_lane_huffman_decoder() {
  return make_lane_huffman_decoder(chosen_lane_kernel());
}

std::unique_ptr<Encoder> make_lane_huffman_encoder(const CodecParameters&) {
  return make_lane_huffman_encoder(chosen_lane_kernel());
}

std::unique_ptr<Decoder> make_lane_huffman_decoder(const LaneKernel& kernel) {
  return std::make_unique<LaneDecoder>(kernel);
}

std::unique_ptr<Encoder> make_lane_huffman_encoder(const LaneKernel& kernel) {
  return std::make_unique<LaneEncoder>(kernel);
}

}  // namespace qload
