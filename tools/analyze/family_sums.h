// From some chunks of a family to all of them, with the error of that.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

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
  void merge(const EntropySums& other);
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

  /// Variance of a chunk's bits per byte within its tensor, and in the family.
  double within_variance = 0;
  double overall_variance = 0;
  /// By how many bits per byte the entropy of a tensor passes the mean of its chunks': what tables
  /// of each chunk's own would save.
  double entropy_gain = 0;
};

/// Gathers the three last of every family. A family of few chunks leans on all of them together.
class FamilySpreads {
 public:
  explicit FamilySpreads(size_t family_count) : families_(family_count) {}
  /// The chunks of one tensor, which together have `merged` bits per byte.
  void add(uint32_t family, const EntropySums& chunks, double merged);
  void describe(std::vector<FamilySums>& families) const;

 private:
  /// A mean whose parts have weights.
  struct Weighted {
    double sum = 0;
    double weight = 0;
    void add(const Weighted& other);
    double mean() const { return weight > 0 ? sum / weight : 0; }
    /// As if `all` had given a few of its parts.
    double mean_with(const Weighted& all) const;
  };
  struct Spreads {
    EntropySums chunks;  ///< Of the family.
    Weighted within;
    Weighted gain;
    Weighted overall() const;
  };
  std::vector<Spreads> families_;
};

}  // namespace qload::analyze
