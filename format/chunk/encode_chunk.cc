// Chunk encoding: the filter, then for each stream the cheapest of constant, coded and stored.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "format/base/assert.h"
#include "format/chunk/chunk.h"
#include "format/chunk/scratch.h"
#include "format/codec/codec_factories.h"

namespace qload {

/// One encoder for each (codec, parameters) met so far, and room for the planes of one chunk.
struct EncodeContext::State {
  Encoder& encoder(const Codec& codec, const CodecParameters& parameters) {
    for (const auto& made : encoders) {
      if (made.codec == codec.id && made.parameters.level == parameters.level &&
          made.parameters.literals_only == parameters.literals_only) {
        return *made.encoder;
      }
    }
    // A recipe uses one or two settings; one that tries them all must not keep them all.
    if (encoders.size() == kEncoderCountMax) encoders.erase(encoders.begin());
    auto made = codec.id == CodecId::kLaneHuffman && kernel != nullptr
                    ? make_lane_huffman_encoder(*kernel)
                    : codec.make_encoder(parameters);
    encoders.push_back({codec.id, parameters, std::move(made)});
    return *encoders.back().encoder;
  }

  struct Made {
    CodecId codec;
    CodecParameters parameters;
    std::unique_ptr<Encoder> encoder;
  };
  static constexpr size_t kEncoderCountMax = 8;

  const LaneKernel* kernel = nullptr;
  std::vector<Made> encoders;
  Scratch scratch;
};

EncodeContext::EncodeContext(const LaneKernel* kernel) : state_(std::make_unique<State>()) {
  state_->kernel = kernel;
}
EncodeContext::~EncodeContext() = default;
EncodeContext::EncodeContext(EncodeContext&&) noexcept = default;
EncodeContext& EncodeContext::operator=(EncodeContext&&) noexcept = default;

namespace {

bool gains_enough(size_t coded_bytes, size_t decoded_bytes, double gain_min) {
  return coded_bytes < decoded_bytes &&
         static_cast<double>(coded_bytes) <= static_cast<double>(decoded_bytes) * (1.0 - gain_min);
}

/// Writes stream `number` to the front of `stored`, which has room for it as it is.
StreamForm encode_stream(EncodeContext::State& state, uint32_t number,
                         std::span<const std::byte> decoded, const ChunkRecipe& recipe,
                         std::span<std::byte> stored) {
  StreamForm form;
  form.decoded_bytes = static_cast<uint32_t>(decoded.size());
  const StreamRecipe own =
      recipe.streams[number].value_or(StreamRecipe{recipe.codec, recipe.parameters});
  for (CodecId id : {CodecId::kConstant, own.codec}) {
    if (id == CodecId::kStore || decoded.size() < 2) continue;  // Nothing is smaller than 1 byte.
    const Codec* codec = find_codec(id);
    QLOAD_ASSERT(codec != nullptr);
    const auto coded_bytes =
        state.encoder(*codec, own.parameters).encode(decoded, stored.first(decoded.size() - 1));
    if (coded_bytes && gains_enough(*coded_bytes, decoded.size(), recipe.gain_min)) {
      form.codec = id;
      form.stored_bytes = static_cast<uint32_t>(*coded_bytes);
      return form;
    }
  }
  std::copy(decoded.begin(), decoded.end(), stored.begin());
  form.stored_bytes = form.decoded_bytes;
  return form;
}

/// The streams of `chunk`: itself, or its planes in scratch memory.
std::array<std::span<const std::byte>, kStreamCountMax> split_chunk(
    EncodeContext::State& state, std::span<const std::byte> chunk, const Filter& filter) {
  std::array<std::span<const std::byte>, kStreamCountMax> streams;
  if (filter.id == FilterId::kNone) {
    streams[0] = chunk;
    return streams;
  }
  std::array<std::span<std::byte>, kStreamCountMax> planes;
  std::span<std::byte> scratch = state.scratch.take(chunk.size());
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    const size_t bytes = filter.stream_bytes(chunk.size(), i);
    planes[i] = scratch.first(bytes);
    scratch = scratch.subspan(bytes);
    streams[i] = planes[i];
  }
  filter.split(chunk, std::span(planes).first(filter.stream_count));
  return streams;
}

ChunkForm store_raw(std::span<const std::byte> decoded, std::span<std::byte> stored) {
  std::copy(decoded.begin(), decoded.end(), stored.begin());
  ChunkForm form;
  form.decoded_bytes = form.stored_bytes = static_cast<uint32_t>(decoded.size());
  form.stream_count = 1;
  form.streams[0] = {CodecId::kStore, form.stored_bytes, form.decoded_bytes};
  return form;
}

}  // namespace

ChunkForm encode_chunk(EncodeContext& context, std::span<const std::byte> decoded,
                       const ChunkRecipe& recipe, std::vector<std::byte>& stored) {
  QLOAD_ASSERT(!decoded.empty() && decoded.size() <= kChunkBytesMax);
  QLOAD_ASSERT(recipe.gain_min >= 0.0 && recipe.gain_min < 1.0);
  const Filter* filter = find_filter(recipe.filter);
  QLOAD_ASSERT(filter != nullptr);

  stored.resize(decoded.size());  // No stream grows, so the chunk does not.
  const auto streams = split_chunk(context.state(), decoded, *filter);
  ChunkForm form;
  form.filter = recipe.filter;
  form.decoded_bytes = static_cast<uint32_t>(decoded.size());
  form.stream_count = filter->stream_count;
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    form.streams[i] = encode_stream(context.state(), i, streams[i], recipe,
                                    std::span(stored).subspan(form.stored_bytes));
    form.stored_bytes += form.streams[i].stored_bytes;
  }
  if (!gains_enough(form.stored_bytes, form.decoded_bytes, recipe.chunk_gain_min)) {
    return store_raw(decoded, stored);
  }
  stored.resize(form.stored_bytes);
  return form;
}

}  // namespace qload
