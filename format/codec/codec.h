// Codecs: one stream of bytes to fewer, and back. The registry is the only list of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "format/base/histogram.h"
#include "qload/result.h"

namespace qload {

/// Stored in containers; values are frozen. 5 to 63 are for this project's later codecs.
enum class CodecId : uint8_t {
  kStore = 0,        ///< The bytes as they are.
  kConstant = 1,     ///< One byte, repeated.
  kZstd = 2,         ///< One zstd frame (RFC 8878) with its content size.
  kLaneHuffman = 3,  ///< Prefix codes of at most 8 bits in 64 lanes (docs/format_lane_huffman.md).
  kFse = 4,          ///< tANS entropy codes of single bytes (docs/format_fse.md).
};
inline constexpr size_t kCodecIdCount = 64;

/// How hard, and in which mode, an encoder works. Fields a codec has no use for are ignored.
struct CodecParameters {
  /// zstd level, in [-7, 22]. Used when `literals_only` is false.
  int level = 1;
  /// zstd without match search: entropy coding only. On weights of one distribution it is as small
  /// as any level and decodes up to 3 times as fast; mixes of small tensors can be smaller with a
  /// level (docs/performance.md, "Codecs").
  bool literals_only = true;
  bool operator==(const CodecParameters&) const = default;
};

/// Decodes streams of one codec. Holds the codec's working memory; one thread at a time.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Fills exactly `decoded` from exactly `stored`. Anything else is kCorrupt. Never reads or
  /// writes outside the spans, whatever `stored` holds.
  virtual Status decode(std::span<const std::byte> stored, std::span<std::byte> decoded) = 0;

  /// The same strip by strip, for codecs with `in_strips`: open, next until `decoded_bytes` bytes
  /// are there, finish. Errors come at any of these; bytes that next() gave before are then void.
  /// `stored` stays valid until finish(). Every next() but the last asks for a multiple of
  /// kStripStep bytes. decode() and open() begin anew, whatever came before.
  virtual Status open(std::span<const std::byte> stored, size_t decoded_bytes);
  virtual Status next(std::span<std::byte> decoded);
  virtual Status finish();

  /// Whether what is decoded from now on is to go around the processor's cache; a wish that most
  /// decoders ignore. The caller of decode() then owes finish_stores_around_cache().
  virtual void write_around_cache(bool /*around*/) {}

  /// The caller reads `beside` together with what the next call of next() decodes, as many bytes:
  /// a decoder that has the memory idle meanwhile may fetch them into the processor's cache.
  virtual void fetch_beside(const std::byte* /*beside*/) {}
};
inline constexpr size_t kStripStep = 256;

/// Encodes streams of one codec. One thread at a time.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Writes the stored form of `decoded` to the front of `stored` and returns its size, or
  /// nothing when it would not fit: give `stored` decoded.size() - 1 bytes to ask for "smaller
  /// or nothing". Same input, same bytes.
  virtual std::optional<size_t> encode(std::span<const std::byte> decoded,
                                       std::span<std::byte> stored) = 0;
};

/// One registry entry.
struct Codec {
  CodecId id;
  std::string_view name;
  std::unique_ptr<Decoder> (*make_decoder)();
  std::unique_ptr<Encoder> (*make_encoder)(const CodecParameters& parameters);
  bool in_strips = false;  ///< Its decoder has open, next and finish.
  /// What it would make of `total` bytes of these counts as part of a large stream (without the
  /// headers and tables of its own), within 1 %. Null for codecs that a histogram does not tell of.
  uint64_t (*estimate_bytes)(const ByteCounts& counts, uint64_t total) = nullptr;
};

/// All codecs of this build, in increasing order of id. Static storage.
std::span<const Codec> all_codecs();
/// The codec of that id, or null when this library does not know it.
const Codec* find_codec(CodecId id);
const Codec* find_codec(std::string_view name);

}  // namespace qload
