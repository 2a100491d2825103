// From some chunks of a family to all of them, with the error of that.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// Chunks of which the stored size is known, beside what their entropy lets expect. What is stored
/// of others is told by the ratio of the sums (W. Cochran, "Sampling Techniques", 3rd edition,
/// 1977, chapter 6): order-0 codes take the entropy and a few permille, so that sizes follow from
/// exact entropies much better than from the mean of sampled sizes.
struct RatioSums {
  uint64_t chunk_count = 0;
  uint64_t bytes = 0;
  double expected = 0;
  double stored = 0;
  double expected_squares = 0;
  double products = 0;
  double stored_squares = 0;

  void add(uint64_t chunk_bytes, double expected_bytes, double stored_bytes);
  void merge(const RatioSums& other);
  /// stored by expected; 1 without any.
  double ratio() const;
  /// Variance of a chunk's stored bytes around ratio() times what is expected of it.
  double residual_variance() const;
};

/// What a chunk is expected to take: its entropy, and a byte for what is there whatever its content
/// (a constant chunk has an entropy of 0).
inline double expected_bytes(double entropy_bits) { return entropy_bits / 8 + 1; }

/// Chunk-wise entropies in bits per byte.
struct EntropySums {
  uint64_t count = 0;
  double sum = 0;
  double squares = 0;

  void add(double bits_per_byte);
  /// Sum of squared differences from the mean.
  double spread() const;
};

/// What is measured of the chunks of one tensor, or of all tensors of a family.
struct MeasuredSums {
  struct Codec {
    RatioSums sizes;
    double encode_seconds = 0;
    double decode_seconds = 0;
  };
  std::array<Codec, kComparedCodecCount> codecs = {};
  RatioSums packed;
  double packed_decode_seconds = 0;
  uint64_t packed_stream_count = 0;
  uint64_t packed_raw_bytes = 0;          ///< Decoded bytes of chunks that are stored raw.
  std::map<std::string, uint64_t> forms;  ///< Decoded bytes.

  void merge(const MeasuredSums& other);
};

/// All that is known of a family when every chunk has been seen.
struct FamilySums {
  MeasuredSums measured;
  Figures read;  ///< Entropies of the bytes that were read of it, unscaled.
  uint64_t read_chunk_count = 0;
  EntropySums entropies;     ///< Of all its chunks that were read.
  double within_spread = 0;  ///< Of chunks around their own tensor's mean.
  uint64_t within_freedom = 0;

  void add_tensor(const EntropySums& tensor);
  /// Variance of a chunk's bits per byte within a tensor; without two chunks of any tensor, in all.
  double entropy_variance() const;
  double overall_variance() const;
};

}  // namespace qload::analyze
