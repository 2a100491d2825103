// What each codec's file gives to the registry.
#pragma once

#include <memory>

#include "format/codec/codec.h"

namespace qload {

std::unique_ptr<Decoder> make_store_decoder();
std::unique_ptr<Encoder> make_store_encoder(const CodecParameters& parameters);

std::unique_ptr<Decoder> make_constant_decoder();
std::unique_ptr<Encoder> make_constant_encoder(const CodecParameters& parameters);

std::unique_ptr<Decoder> make_zstd_decoder();
std::unique_ptr<Encoder> make_zstd_encoder(const CodecParameters& parameters);

std::unique_ptr<Decoder> make_fse_decoder();
std::unique_ptr<Encoder> make_fse_encoder(const CodecParameters& parameters);

}  // namespace qload
