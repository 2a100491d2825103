// Chunk decoding: strip by strip, so that what codecs decode is merged while it is in the L1 cache
// and the destination is written once.
#include <memory>

#include "format/base/around_cache.h"
#include "format/base/assert.h"
#include "format/base/try.h"
#include "format/chunk/chunk.h"
#include "format/chunk/decode_state.h"
#include "format/chunk/filtered_chunk.h"

namespace qload {

DecodeContext::DecodeContext(const LaneKernel* kernel) : state_(std::make_unique<State>()) {
  state_->kernel = kernel;
}
DecodeContext::~DecodeContext() = default;
DecodeContext::DecodeContext(DecodeContext&&) noexcept = default;
DecodeContext& DecodeContext::operator=(DecodeContext&&) noexcept = default;
void DecodeContext::write_around_cache(bool around) {
  state_->around_cache = around && kHasStoresAroundCache;
}

namespace {

/// A stream that is the whole chunk. Only a decoder with stores of its own goes around the cache:
/// copying from strips, as filters do, costs the slower kernels more than it saves.
Status decode_whole(DecodeContext::State& state, const StreamForm& form,
                    std::span<const std::byte> stored, std::span<std::byte> decoded) {
  Decoder& decoder = state.decoder(codec_of(form), 0);
  decoder.write_around_cache(state.around_cache);
  return decoder.decode(stored, decoded);
}

}  // namespace

Status decode_chunk(DecodeContext& context, const ChunkForm& form,
                    std::span<const std::byte> stored, std::span<std::byte> decoded) {
  QLOAD_ASSERT(stored.size() == form.stored_bytes);
  QLOAD_ASSERT(decoded.size() == form.decoded_bytes);
  DecodeContext::State& state = context.state();
  if (form.filter == FilterId::kNone) {
    QLOAD_CHECK(decode_whole(state, form.streams[0], stored, decoded));
  } else {
    const Filter* filter = find_filter(form.filter);
    QLOAD_ASSERT(filter != nullptr);
    FilteredChunk chunk(state, form, *filter);
    QLOAD_CHECK(chunk.open(stored));
    QLOAD_CHECK(chunk.next(decoded));
  }
  if (state.around_cache) finish_stores_around_cache();
  return Ok{};
}

}  // namespace qload
