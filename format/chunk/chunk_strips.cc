#include "format/chunk/chunk_strips.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/chunk/decode_state.h"
#include "format/chunk/filtered_chunk.h"
#include "format/chunk/scratch.h"

namespace qload {
namespace {

/// What is decoded at once when a piece ends within a step: enough that a kernel's call pays,
/// little beside the usual piece of 64 KiB, since it is copied.
constexpr size_t kCarryBytes = 4u << 10;

const Filter& filter_of(const ChunkForm& form) {
  const Filter* filter = find_filter(form.filter);
  QLOAD_ASSERT(filter != nullptr);
  return *filter;
}

size_t step_of(const ChunkForm& form) { return kStripStep * filter_of(form).block_bytes; }

/// Whole steps, at least one, and no more than the chunk has.
size_t carry_bytes_of(const ChunkForm& form) {
  const size_t step = step_of(form);
  return std::min<size_t>(std::max(kCarryBytes / step, size_t{1}) * step, form.decoded_bytes);
}

}  // namespace

/// A chunk lies in up to two parts: `ready` is decoded, and `left` bytes after it are not.
struct ChunkStrips::State {
  Status open(std::span<const std::byte> stored);
  Status open_stream(std::span<const std::byte> stored);
  void take_ready(std::span<std::byte>& decoded);
  Status produce(std::span<std::byte> decoded);
  Status refill();
  Status next(std::span<std::byte> decoded);
  Status skip(uint64_t bytes);
  void close();
  /// Passes `status` on; after an error nothing is left.
  Status close_on_error(Status status);

  DecodeContext::State context;
  ChunkForm form;
  std::optional<FilteredChunk> filtered;
  Decoder* decoder = nullptr;  ///< Of the one stream of a chunk without a filter, in strips.
  std::span<const std::byte> ready;
  size_t left = 0;
  size_t step_bytes = 0;
  Scratch carry;
};

Status ChunkStrips::State::open(std::span<const std::byte> stored) {
  decoder = nullptr;
  filtered.reset();
  ready = {};
  left = 0;
  step_bytes = step_of(form);
  if (form.filter == FilterId::kNone) return open_stream(stored);
  filtered.emplace(context, form, filter_of(form));
  QLOAD_CHECK(filtered->open(stored));
  left = form.decoded_bytes;
  return Ok{};
}

Status ChunkStrips::State::open_stream(std::span<const std::byte> stored) {
  const StreamForm& stream = form.streams[0];
  if (stream.codec == CodecId::kStore) {
    ready = stored;
    return Ok{};
  }
  const Codec& codec = codec_of(stream);
  Decoder& made = context.decoder(codec, 0);
  if (codec.in_strips) {
    QLOAD_CHECK(made.open(stored, stream.decoded_bytes));
    decoder = &made;
    left = stream.decoded_bytes;
    return Ok{};
  }
  const std::span<std::byte> whole = context.scratch.take(stream.decoded_bytes);
  QLOAD_CHECK(made.decode(stored, whole));
  ready = whole;
  return Ok{};
}

void ChunkStrips::State::take_ready(std::span<std::byte>& decoded) {
  const size_t bytes = std::min(ready.size(), decoded.size());
  if (bytes == 0) return;
  std::memcpy(decoded.data(), ready.data(), bytes);
  ready = ready.subspan(bytes);
  decoded = decoded.subspan(bytes);
}

/// Decodes whole steps, or all that is left.
Status ChunkStrips::State::produce(std::span<std::byte> decoded) {
  left -= decoded.size();
  if (filtered) return filtered->next(decoded);
  QLOAD_CHECK(decoder->next(decoded));
  return left == 0 ? decoder->finish() : Status(Ok{});
}

Status ChunkStrips::State::refill() {
  const auto strip = carry.take(carry_bytes_of(form));
  const auto made = strip.first(std::min(strip.size(), left));
  QLOAD_CHECK(produce(made));
  ready = made;
  return Ok{};
}

// With steps of 256 bytes, 5000 bytes at the front of a chunk are 19 steps decoded straight to
// their place, and 136 bytes out of 4096 that are decoded aside; the other 3960 are the next
// piece's first.
Status ChunkStrips::State::next(std::span<std::byte> decoded) {
  while (true) {
    take_ready(decoded);
    const size_t wanted = decoded.size();
    const size_t straight = wanted == left ? left : wanted / step_bytes * step_bytes;
    if (straight > 0) {
      QLOAD_CHECK(produce(decoded.first(straight)));
      decoded = decoded.subspan(straight);
    }
    if (decoded.empty()) return Ok{};
    QLOAD_CHECK(refill());
  }
}

Status ChunkStrips::State::skip(uint64_t bytes) {
  while (true) {
    const size_t dropped = std::min<uint64_t>(ready.size(), bytes);
    ready = ready.subspan(dropped);
    bytes -= dropped;
    if (bytes == 0) return Ok{};
    QLOAD_CHECK(refill());
  }
}

void ChunkStrips::State::close() {
  ready = {};
  left = 0;
}

Status ChunkStrips::State::close_on_error(Status status) {
  if (!status.ok()) close();
  return status;
}

ChunkStrips::ChunkStrips(const LaneKernel* kernel) : state_(std::make_unique<State>()) {
  state_->context.kernel = kernel;
}
ChunkStrips::~ChunkStrips() = default;
ChunkStrips::ChunkStrips(ChunkStrips&&) noexcept = default;
ChunkStrips& ChunkStrips::operator=(ChunkStrips&&) noexcept = default;

void ChunkStrips::reserve(const ChunkForm& form) {
  State& state = *state_;
  if (form.filter != FilterId::kNone) {
    FilteredChunk(state.context, form, filter_of(form)).reserve();
  } else {
    const StreamForm& stream = form.streams[0];
    if (stream.codec == CodecId::kStore) return;
    const Codec& codec = codec_of(stream);
    state.context.decoder(codec, 0);
    if (!codec.in_strips) {
      state.context.scratch.take(stream.decoded_bytes);
      return;
    }
  }
  state.carry.take(carry_bytes_of(form));
}

Status ChunkStrips::open(const ChunkForm& form, std::span<const std::byte> stored) {
  QLOAD_ASSERT(stored.size() == form.stored_bytes);
  state_->form = form;
  return state_->close_on_error(state_->open(stored));
}

void ChunkStrips::close() { state_->close(); }

uint64_t ChunkStrips::bytes_left() const { return state_->ready.size() + state_->left; }

std::span<const std::byte> ChunkStrips::ready() const { return state_->ready; }

Status ChunkStrips::next(std::span<std::byte> decoded) {
  QLOAD_ASSERT(decoded.size() <= bytes_left());
  return state_->close_on_error(state_->next(decoded));
}

Status ChunkStrips::skip(uint64_t bytes) {
  QLOAD_ASSERT(bytes <= bytes_left());
  return state_->close_on_error(state_->skip(bytes));
}

}  // namespace qload
