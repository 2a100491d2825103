// Encoding lane_huffman: segments, codes, and the streams of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "format/codec/codec.h"
#include "format/codec/lane_huffman/choose_lane_code.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload {

/// One thread at a time. Keeps working memory of about the largest stream so far.
class LaneEncoder final : public Encoder {
 public:
  /// `kernel` lives as long as the encoder. Every kernel writes the same bytes.
  explicit LaneEncoder(const LaneKernel& kernel) : LaneEncoder(kernel, true) {}

  std::optional<size_t> encode(std::span<const std::byte> decoded,
                               std::span<std::byte> stored) override;

 private:
  class Output;

  LaneEncoder(const LaneKernel& kernel, bool outer) : kernel_(kernel), outer_(outer) {}

  void write_segment(std::span<const uint8_t> segment, const ChosenLaneCode& chosen, bool nibbles,
                     Output& out);
  static void write_plain(std::span<const uint8_t> segment, Output& out);
  static void write_lengths(const LaneCode& code, Output& out);
  void write_streams(std::span<const uint8_t> rows, bool lone, size_t sizes_at, Output& out);
  void write_escapes(std::span<const uint8_t> rows, const LaneCode& code, LaneSegmentHeader& header,
                     Output& out);

  const LaneKernel& kernel_;
  const bool outer_;  ///< False for the encoder of an outer one's escaped bytes.
  std::unique_ptr<LaneEncoder> escape_encoder_;
  std::vector<uint8_t> escapes_;
  std::vector<std::byte> coded_escapes_;
  LaneEncodeTable table_;
  std::vector<uint8_t> streams_;
  std::vector<uint8_t> nibbles_;
};

}  // namespace qload
