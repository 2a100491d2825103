// Decoding lane_huffman in strips: checks everything that kernels take for granted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "format/codec/codec.h"
#include "format/codec/lane_huffman/lane_code.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload {

/// The rest of a stream near its end, followed by zeros: kernels read ahead, and a stream that lies
/// about its size makes them read on.
class PaddedTail {
 public:
  /// A copy of `tail`, behind which `zeros` zero bytes can be read. Valid until the next call.
  const uint8_t* hold(std::span<const uint8_t> tail, size_t zeros);
  /// Room for a tail of `bytes` bytes to be written, behind which `zeros` zero bytes can be read.
  std::span<uint8_t> make(size_t bytes, size_t zeros);
  /// Gives back memory that a large list of escaped bytes took.
  void shrink();

 private:
  std::unique_ptr<uint8_t[]> memory_;
  size_t bytes_ = 0;
  size_t used_bytes_ = 0;  ///< All bytes behind are zero.
};

/// One thread at a time. Holds some 70 KiB of tables and padded tails.
class LaneDecoder final : public Decoder {
 public:
  /// `kernel` lives as long as the decoder.
  explicit LaneDecoder(const LaneKernel& kernel) : LaneDecoder(kernel, true) {}

  Status decode(std::span<const std::byte> stored, std::span<std::byte> decoded) override;
  Status open(std::span<const std::byte> stored, size_t decoded_bytes) override;
  Status next(std::span<std::byte> decoded) override;
  Status finish() override;
  void fetch_beside(const std::byte* beside) override {
    beside_ = reinterpret_cast<const uint8_t*>(beside);
  }
  void write_around_cache(bool around) override {
    around_cache_ = around && kernel_.writes_around_cache;
  }

 private:
  LaneDecoder(const LaneKernel& kernel, bool outer) : kernel_(kernel), outer_(outer) {}

  /// What kernels step through: a group's stream, or the escaped bytes.
  struct Stream {
    void start(std::span<const std::byte> bytes, const uint8_t*& from);
    std::span<uint8_t> start_padded(size_t bytes, size_t reach, const uint8_t*& from);
    void pad(const uint8_t*& from, size_t reach);
    size_t left(const uint8_t* from) const { return static_cast<size_t>(end - from); }

    const uint8_t* end = nullptr;  ///< In the stored bytes, or in `tail`.
    bool padded = false;
    PaddedTail tail;
  };

  Status open_segment();
  Status read_code(const LaneSegmentHeader& header, LaneCode& code);
  Status read_layout(const LaneSegmentHeader& header, const LaneCode& code);
  Status start_escapes(const LaneSegmentHeader& header);
  void start_groups(bool lone);
  Status decode_strip(size_t row_count, uint8_t* out);
  Status decode_nibble_strip(size_t row_count, uint8_t* out);
  Status check_segment_end() const;
  std::span<const std::byte> take(size_t bytes);

  const LaneKernel& kernel_;
  bool around_cache_ = false;
  const uint8_t* beside_ = nullptr;  ///< For this call of next().
  const bool outer_;                 ///< False for the decoder of an outer one's escaped bytes.
  std::unique_ptr<LaneDecoder> escape_decoder_;
  std::span<const std::byte> stored_;  ///< What is not yet parsed.
  size_t decoded_left_ = 0;            ///< Of the whole stream.
  size_t segment_bytes_ = 0;           ///< Decoded bytes of a segment; the last may have fewer.
  bool nibbles_ = false;

  // The segment being decoded: rows, then bytes as they are.
  size_t segment_left_ = 0;
  size_t rows_left_ = 0;
  const std::byte* plain_ = nullptr;
  LaneTable table_;
  LanePrepared prepared_;
  LaneState state_;
  DecodeRows decode_rows_ = nullptr;
  std::array<Stream, kLaneGroupsMax> groups_;
  Stream escapes_;
  std::unique_ptr<uint8_t[]> nibble_rows_;
};

}  // namespace qload
