// A chunk: the unit of decoding. One filter, and one codec for each of its streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "format/codec/codec.h"
#include "format/filter/filter.h"
#include "qload/result.h"

namespace qload {

struct LaneKernel;

/// How one stream of a chunk is stored.
struct StreamForm {
  CodecId codec = CodecId::kStore;
  uint32_t stored_bytes = 0;
  uint32_t decoded_bytes = 0;
};

/// How one chunk is stored: its streams lie one after the other, without gaps.
struct ChunkForm {
  FilterId filter = FilterId::kNone;
  uint32_t decoded_bytes = 0;  ///< At most kChunkBytesMax.
  uint32_t stored_bytes = 0;   ///< Sum over streams.
  uint32_t stream_count = 0;
  std::array<StreamForm, kStreamCountMax> streams = {};

  /// True when the stored bytes are the decoded bytes: no decoder is needed.
  bool stored_raw() const {
    return filter == FilterId::kNone && stream_count == 1 && streams[0].codec == CodecId::kStore;
  }
};

/// Checks a form that came from a file: known filter and codecs (else kUnsupported), sizes that
/// agree with each other and with the filter (else kCorrupt).
Status check_chunk_form(const ChunkForm& form);

/// What to try for one stream.
struct StreamRecipe {
  CodecId codec = CodecId::kStore;
  CodecParameters parameters = {};
  bool operator==(const StreamRecipe&) const = default;
};

/// What to try when encoding a chunk.
struct ChunkRecipe {
  FilterId filter = FilterId::kNone;
  CodecId codec = CodecId::kZstd;  ///< For every stream; one that does not gain is stored.
  CodecParameters parameters = {};
  /// Where a stream has a recipe of its own. Entries past the filter's streams are ignored.
  std::array<std::optional<StreamRecipe>, kStreamCountMax> streams = {};
  /// A stream is coded only when coded bytes <= decoded bytes * (1 - gain_min): what it saves in
  /// reading must pay for its decoding. In [0, 1).
  double gain_min = 0.0;
  /// The same for the whole chunk: one that saves less is stored raw, to be read in place.
  double chunk_gain_min = 0.0;
  bool operator==(const ChunkRecipe&) const = default;
};

/// Working memory for encoding. One per thread.
class EncodeContext {
 public:
  /// `kernel` is lane_huffman's, for tests and benchmarks; null: the chosen one.
  explicit EncodeContext(const LaneKernel* kernel = nullptr);
  ~EncodeContext();
  EncodeContext(EncodeContext&&) noexcept;
  EncodeContext& operator=(EncodeContext&&) noexcept;
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Working memory for decoding: codec contexts, made on first use, and strips of streams; whole
/// streams only for codecs that do not decode in strips. One per thread.
class DecodeContext {
 public:
  /// `kernel` is lane_huffman's, for tests and benchmarks; null: the chosen one.
  explicit DecodeContext(const LaneKernel* kernel = nullptr);
  ~DecodeContext();
  DecodeContext(DecodeContext&&) noexcept;
  DecodeContext& operator=(DecodeContext&&) noexcept;
  /// Whether decoded bytes go around the processor's cache where that is possible: faster when they
  /// are more than it holds and are not read soon. Off at first.
  void write_around_cache(bool around);
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Encodes `decoded` by `recipe` into `stored` (resized to fit) and returns its form. A chunk is
/// never larger than its input: where nothing is gained the form is raw. Constant streams are
/// found whatever the recipe's codec. Deterministic.
/// REQUIRES: decoded.size() in [1, kChunkBytesMax].
ChunkForm encode_chunk(EncodeContext& context, std::span<const std::byte> decoded,
                       const ChunkRecipe& recipe, std::vector<std::byte>& stored);

/// Decodes `stored` into exactly `decoded`. kCorrupt when the bytes contradict the form.
/// REQUIRES: check_chunk_form(form).ok(), stored.size() == form.stored_bytes,
/// decoded.size() == form.decoded_bytes.
Status decode_chunk(DecodeContext& context, const ChunkForm& form,
                    std::span<const std::byte> stored, std::span<std::byte> decoded);

/// An upper bound of the working memory that a DecodeContext takes to decode a chunk of that form,
/// besides its decoders: strips, and whole streams of codecs that do not decode in strips.
uint64_t decode_scratch_bytes(const ChunkForm& form);

/// The instruction set that lane_huffman decodes with in this process: "scalar", "sse", "avx2",
/// "avx512" or "neon". The fastest that the processor has, or what the environment variable
/// QLOAD_KERNEL names; chosen once. Static storage.
std::string_view decode_kernel_name();
/// kInvalidArgument when QLOAD_KERNEL names a kernel that this processor cannot run.
Status check_decode_kernel();

}  // namespace qload
