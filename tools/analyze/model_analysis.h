// What `qpack analyze` finds out about a model: plain data, for tables, JSON, CSV and reports.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/base/limits.h"
#include "format/filter/filter.h"
#include "qload/tensor.h"

namespace qload::analyze {

/// What a tensor does in the model, by its name.
enum class TensorKind : uint8_t {
  kEmbedding,        ///< Tables of tokens and positions; the head that mirrors them.
  kAttentionInput,   ///< Query, key and value projections.
  kAttentionOutput,  ///< The projection behind attention.
  kUp,               ///< fc1, up: into the feed-forward's width.
  kGate,
  kDown,  ///< fc2, down: out of it.
  kNorm,
  kBias,
  kScale,  ///< Of quantized weights that are stored beside them.
  kOther,
};
inline constexpr size_t kTensorKindCount = 10;
/// "embedding", "attn_qkv", "attn_out", "up", "gate", "down", "norm", "bias", "scale", "other".
std::string_view tensor_kind_name(TensorKind kind);

/// The codecs that are compared. Each codes the streams of the filter that `qpack pack --codec`
/// would choose, chunk by chunk.
enum class ComparedCodec : uint8_t {
  kZstd,          ///< zstd at its default level: match search and entropy coding.
  kHuffman,       ///< lane_huffman.
  kFse,           ///< fse.
  kZstdLiterals,  ///< zstd without match search ("LZ-free").
};
inline constexpr size_t kComparedCodecCount = 4;
/// "zstd", "huffman", "fse", "zstd_literals".
std::string_view compared_codec_name(ComparedCodec codec);

/// One stream of a filter over all bytes that went through it.
struct StreamEntropy {
  uint64_t bytes = 0;
  double bits = 0;  ///< Order 0: the least that a byte-wise code with one table a tensor needs.
  double bits_per_byte() const { return bytes == 0 ? 0 : bits / static_cast<double>(bytes); }
};

/// What splitting by one filter gives: `none` for the bytes as they stand, byte planes, float
/// planes (byte planes with the sign rotated to the lowest bit) or the fields of ggml's blocks.
struct FilterEntropy {
  FilterId filter = FilterId::kNone;
  uint32_t stream_count = 1;
  std::array<StreamEntropy, kStreamCountMax> streams = {};
  double chunk_bits = 0;  ///< All streams, with tables of each chunk's own instead of a tensor's.

  uint64_t bytes() const;
  double bits() const;
};

/// What one codec makes of all bytes: measured on a sample of chunks, and scaled to the others by
/// their entropy.
struct CodecFigures {
  double stored_bytes = 0;
  double stored_bytes_error = 0;  ///< Standard error of it; 0 when every chunk was measured.
  uint64_t measured_bytes = 0;    ///< Decoded bytes that were encoded and decoded.
  double encode_seconds = 0;      ///< For measured_bytes, of one core.
  double decode_seconds = 0;      ///< The same; putting streams together is part of it.

  /// Decoded bytes per second of one core; nothing where nothing was measured.
  std::optional<double> encode_rate() const;
  std::optional<double> decode_rate() const;
};

/// One way in which chunks are stored, as "byte_planes2[store,lane_huffman]".
struct FormShare {
  std::string form;
  uint64_t bytes = 0;  ///< Decoded.
};

/// What `qpack pack` would make of it (of a container: what it has).
struct PackedFigures {
  double stored_bytes = 0;        ///< Chunks alone: no index, no padding.
  double stored_bytes_error = 0;  ///< Standard error; 0 when all were measured, or are known.
  double decode_seconds = 0;      ///< Of one core of the target.
  std::vector<FormShare> forms;   ///< Largest first: the recipe.
};

/// The figures of one tensor, or of all tensors of a kind, a layer or the model. Sums, so that
/// those of groups are those of their tensors together.
struct Figures {
  uint64_t tensor_count = 0;
  uint64_t value_count = 0;
  uint64_t bytes = 0;
  uint64_t read_bytes = 0;  ///< What entropies and statistics rest on: `bytes` without --sample.
  /// Order-0 entropy of all values, in bits: by the filter whose streams together have the least,
  /// with one table for each stream of each tensor.
  double entropy_bits = 0;
  double entropy_bits_error = 0;  ///< Standard error of it, from sampling; 0 without --sample.
  double chunk_entropy_bits = 0;  ///< The same with tables of each chunk's own: what codecs meet.
  /// Order-0 entropy of whole values, in bits, of the tensors whose values have one or two bytes;
  /// and how many values those are. Equals entropy_bits for one byte; at most it for two.
  double whole_value_bits = 0;
  uint64_t whole_value_count = 0;
  std::vector<FilterEntropy> filters;  ///< By id; of a group, of the tensors that each suits.
  std::array<CodecFigures, kComparedCodecCount> codecs = {};
  PackedFigures packed;

  const CodecFigures& codec(ComparedCodec which) const {
    return codecs[static_cast<size_t>(which)];
  }
  /// Bits a value: nothing without values.
  std::optional<double> bits_per_value() const;
  std::optional<double> bits_per_value_error() const;
  std::optional<double> whole_bits_per_value() const;
};

/// decoded / stored; nothing when nothing is stored (no bytes, or an entropy of 0: the ratio of a
/// tensor of zeros has no bound).
std::optional<double> ratio(uint64_t decoded_bytes, double stored_bytes);
/// The bounds that entropies set on the ratio of byte-wise order-0 codes: with tables for each
/// tensor, and for each chunk. The second is what measured ratios can reach.
std::optional<double> ratio_bound(const Figures& figures);
std::optional<double> chunk_ratio_bound(const Figures& figures);

/// What values look like. Of types that are not read as numbers (wide blocks of ggml, bits that
/// share bytes) `value_count` is 0.
struct ValueStatistics {
  uint64_t value_count = 0;  ///< Finite ones, which everything below but counts rests on.
  uint64_t nan_count = 0;
  uint64_t infinity_count = 0;
  uint64_t zero_count = 0;
  double minimum = 0;
  double maximum = 0;
  double mean = 0;
  double deviation = 0;  ///< Standard deviation.
  double kurtosis = 0;   ///< Fourth moment by variance squared: 3 for a bell; 0 without spread.

  double absmax() const;
  /// absmax / deviation; nothing without spread.
  std::optional<double> absmax_in_deviations() const;
  /// log2(524.9 / (absmax / deviation)): the entropy of a bell with this spread in 8-bit codes from
  /// -127 to 127, scaled by absmax. 524.9 is 127 sqrt(2 pi e). At least 0.
  std::optional<double> bell_int8_bits() const;
};

/// Counts of values in bins of one width. `counts` is empty where values are not read as numbers,
/// and for all but the largest tensors of a model of very many.
struct ValueHistogram {
  enum class Bins : uint8_t {
    kNone,
    kCodes,   ///< One bin for each code: bin i is lower + i. 256 of INT8, 16 of 4-bit codes.
    kLinear,  ///< kLinearBinCount bins from -absmax to absmax; the last includes its upper end.
  };
  Bins bins = Bins::kNone;
  double lower = 0;  ///< The first bin's lower end; of kCodes its code.
  double upper = 0;  ///< The last bin's upper end; of kCodes its code.
  std::vector<uint64_t> counts;
};
inline constexpr size_t kLinearBinCount = 256;

struct TensorAnalysis {
  std::string name;
  TensorKind kind = TensorKind::kOther;
  DType dtype = DType::kU8;
  std::string dtype_name;
  std::vector<uint64_t> shape;
  uint32_t stack = kNoLayer;
  uint32_t layer = kNoLayer;
  /// The tensor that has the same bytes and stands before it, by number. Its own figures are those,
  /// and kinds, layers and the total leave it out.
  std::optional<uint32_t> same_as;
  /// With --sample: no byte of it was read; its figures are those of tensors that have its name in
  /// other layers.
  bool inferred = false;
  Figures figures;
  ValueStatistics values;
  ValueHistogram histogram;
};

struct KindAnalysis {
  TensorKind kind = TensorKind::kOther;
  Figures figures;
  /// Of the codes of its INT8 tensors, or else of values divided by their tensor's absmax (from -1
  /// to 1); empty where neither is.
  ValueHistogram histogram;
};

/// A layer, or with kNoLayer what stands outside all.
struct LayerAnalysis {
  uint32_t stack = kNoLayer;
  uint32_t layer = kNoLayer;
  Figures figures;
};

/// A whole load, plain and packed, at one storage rate.
struct LoadPoint {
  double storage_bytes_per_second = 0;
  double plain_seconds = 0;
  double packed_seconds = 0;
};

enum class Payoff : uint8_t {
  kAlways,  ///< Packing pays at every storage rate.
  kNever,
  kUpTo,  ///< It pays up to break_even_rate.
};

struct LoadPrediction {
  std::string target;  ///< The profile's name.
  std::string target_description;
  double plain_bytes = 0;      ///< What a plain load reads.
  double container_bytes = 0;  ///< Index and padding included.
  LoadPoint at_target;
  std::vector<LoadPoint> curve;  ///< Rates increase by equal factors and include the target's.
  Payoff payoff = Payoff::kNever;
  double break_even_rate = 0;  ///< Bytes per second, of kUpTo.
};

struct ModelAnalysis {
  std::string input;
  std::string format;        ///< "safetensors", "gguf", "raw" or "container".
  uint64_t input_bytes = 0;  ///< Of all files; of a container those it was packed from.
  uint64_t tensor_count = 0;
  uint64_t duplicate_count = 0;  ///< Tensors that share another's chunks.
  uint64_t chunk_count = 0;
  uint64_t read_chunk_count = 0;      ///< Those that entropies rest on.
  uint64_t measured_chunk_count = 0;  ///< Those that were encoded and decoded.
  double sample_share = 1;            ///< Bytes read by bytes; 1 without --sample.
  uint32_t threads = 0;
  double seconds = 0;

  std::vector<TensorAnalysis> tensors;  ///< In load order.
  std::vector<KindAnalysis> kinds;      ///< Those that occur, in the order of TensorKind.
  std::vector<LayerAnalysis> layers;    ///< What is outside layers first, then by stack and layer.
  Figures total;
  /// input_bytes by load.container_bytes: what `qpack pack` reports.
  std::optional<double> packed_ratio() const;
  LoadPrediction load;
};

}  // namespace qload::analyze
