// What each codec's file gives to the registry.
#pragma once

#include <memory>

#include "format/codec/codec.h"

namespace qload {

struct LaneKernel;

std::unique_ptr<Decoder> make_store_decoder();
std::unique_ptr<Encoder> make_store_encoder(const CodecParameters& parameters);

std::unique_ptr<Decoder> make_constant_decoder();
std::unique_ptr<Encoder> make_constant_encoder(const CodecParameters& parameters);

std::unique_ptr<Decoder> make_zstd_decoder();
std::unique_ptr<Encoder> make_zstd_encoder(const CodecParameters& parameters);

std::unique_ptr<Decoder> make_lane_huffman_decoder();
std::unique_ptr<Encoder> make_lane_huffman_encoder(const CodecParameters& parameters);
uint64_t estimate_lane_huffman_bytes(const ByteCounts& counts, uint64_t total);
/// The same with a kernel of the caller's choice, which lives as long.
std::unique_ptr<Decoder> make_lane_huffman_decoder(const LaneKernel& kernel);
std::unique_ptr<Encoder> make_lane_huffman_encoder(const LaneKernel& kernel);

std::unique_ptr<Decoder> make_fse_decoder();
std::unique_ptr<Encoder> make_fse_encoder(const CodecParameters& parameters);
uint64_t estimate_fse_bytes(const ByteCounts& counts, uint64_t total);

}  // namespace qload
