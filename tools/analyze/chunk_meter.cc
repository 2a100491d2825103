#include "tools/analyze/chunk_meter.h"

#include <algorithm>
#include <cstring>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/analyze/thread_clock.h"

namespace qload::analyze {
namespace {

// The shorter of so many: the first pays for caches that hold what the encoder used.
constexpr int kDecodeRuns = 2;

RecipeOptions options_of(ComparedCodec codec) {
  switch (codec) {
    case ComparedCodec::kZstd:
      return {.codec = CodecId::kZstd, .zstd_level = kZstdDefaultLevel};
    case ComparedCodec::kHuffman:
      return {.codec = CodecId::kLaneHuffman};
    case ComparedCodec::kFse:
      return {.codec = CodecId::kFse};
    case ComparedCodec::kZstdLiterals:
      break;
  }
  return {.codec = CodecId::kZstd};
}

}  // namespace

ChunkMeter::ChunkMeter() : chooser_(RecipeOptions{}) {
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    choosers_.emplace_back(options_of(static_cast<ComparedCodec>(i)));
  }
}

Status ChunkMeter::try_codecs(DType dtype, ContentKind kind, std::span<const std::byte> chunk,
                              CodecTrials& trials) {
  decoded_.resize(std::max(decoded_.size(), chunk.size()));
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    const ChunkRecipe recipe = choosers_[i].choose(dtype, kind, chunk).recipe;
    // The first chunk makes the codecs' contexts, which is no part of coding it.
    if (!warm_) QLOAD_CHECK(try_codec(recipe, chunk, trials[i]));
    const Status tried = try_codec(recipe, chunk, trials[i]);
    if (!tried.ok()) {
      return tried.error().at(text("codec ", compared_codec_name(static_cast<ComparedCodec>(i))));
    }
  }
  warm_ = true;
  return Ok{};
}

Status ChunkMeter::try_codec(const ChunkRecipe& recipe, std::span<const std::byte> chunk,
                             CodecTrial& trial) {
  const double start = thread_seconds();
  trial.form = encode_chunk(encoder_, chunk, recipe, stored_);
  trial.encode_seconds = thread_seconds() - start;
  const std::span<std::byte> decoded = std::span(decoded_).first(chunk.size());
  for (int run = 0; run < kDecodeRuns; ++run) {
    const double before = thread_seconds();
    QLOAD_CHECK(decode_chunk(decoder_, trial.form, stored_, decoded));
    const double seconds = thread_seconds() - before;
    trial.decode_seconds = run == 0 ? seconds : std::min(trial.decode_seconds, seconds);
  }
  if (std::memcmp(decoded.data(), chunk.data(), chunk.size()) != 0) {
    return Error(ErrorCode::kCorrupt, "a chunk decodes to other bytes than were encoded");
  }
  return Ok{};
}

ChunkForm ChunkMeter::packed_form(DType dtype, ContentKind kind, std::span<const std::byte> chunk,
                                  const TargetDevice& device) {
  chooser_.aim_at(device);
  const RecipeChoice choice = chooser_.choose(dtype, kind, chunk);
  return encode_by_choice(encoder_, chunk, choice, device, stored_, scratch_);
}

}  // namespace qload::analyze
