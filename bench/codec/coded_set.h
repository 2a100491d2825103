// A data set as one contender stores it: encoded, proven by decoding, ready to be decoded again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/codec/codec_contender.h"
#include "bench/codec/codec_data.h"
#include "bench/load/fresh_memory.h"
#include "format/chunk/chunk.h"
#include "qload/result.h"

namespace qload::bench {

/// The stored chunks, one after the other as in a container. Immutable once made.
struct CodedSet {
  struct Chunk {
    ChunkForm form;
    uint64_t offset = 0;  ///< In memory.
  };

  /// Encodes every chunk of `data`.
  static Result<CodedSet> create(const CodecData& data, const CodecContender& contender,
                                 double gain_min);
  /// The same in memory of its own, touched by the calling thread.
  Result<CodedSet> copy() const;

  std::span<const std::byte> stored(const Chunk& chunk) const {
    return std::span<const std::byte>(memory.bytes())
        .subspan(chunk.offset, chunk.form.stored_bytes);
  }

  const LaneKernel* kernel = nullptr;
  bool plain = false;  ///< Not chunks: bytes that memcpy brings.
  FreshMemory memory;
  std::vector<Chunk> chunks;
  uint64_t stored_bytes = 0;
  uint64_t decoded_bytes = 0;
};

/// Where chunks are decoded to: memory that is mapped and touched, used in a circle.
class DecodeTarget {
 public:
  /// `bytes` as the working set has; a larger chunk makes it larger. kOutOfMemory.
  static Result<DecodeTarget> create(const CodedSet& set, uint64_t bytes);

  /// Room for the next chunk, on a cache line's border.
  std::span<std::byte> next(uint32_t bytes);

 private:
  FreshMemory memory_;
  uint64_t position_ = 0;
};

/// Decodes all chunks of a set, one thread with a context of its own. Keep both arguments alive.
class DecodePass {
 public:
  DecodePass(const CodedSet& set, DecodeTarget& target);

  /// kCorrupt on the first chunk that does not decode.
  Status run();
  /// The same, with every byte compared with `data`: kCorrupt names the first chunk that differs.
  Status run_checked(const CodecData& data);

 private:
  Status decode(const CodedSet::Chunk& chunk, std::span<std::byte> to);

  const CodedSet& set_;
  DecodeTarget& target_;
  DecodeContext context_;
};

/// Encodes all chunks of a data set again, each into the same memory.
class EncodePass {
 public:
  EncodePass(const CodecData& data, const CodecContender& contender, const CodedSet& set,
             double gain_min);

  /// kCorrupt when a chunk's stored size is not that of `set`.
  Status run();

 private:
  const CodecData& data_;
  const CodecContender& contender_;
  const CodedSet& set_;
  const double gain_min_;
  EncodeContext context_;
  std::vector<std::byte> stored_;
};

}  // namespace qload::bench
