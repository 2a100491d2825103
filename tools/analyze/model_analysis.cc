#include "tools/analyze/model_analysis.h"

#include <algorithm>
#include <cmath>

namespace qload::analyze {
namespace {

// 127 sqrt(2 pi e): a bell of deviation s has an entropy of log2(s sqrt(2 pi e)) bits in steps of
// 1, and s is 127 / (absmax / deviation) steps.
constexpr double kBellConstant = 524.9;

std::optional<double> quotient(double numerator, double denominator) {
  if (!(denominator > 0)) return std::nullopt;
  return numerator / denominator;
}

}  // namespace

std::string_view tensor_kind_name(TensorKind kind) {
  switch (kind) {
    case TensorKind::kEmbedding:
      return "embedding";
    case TensorKind::kAttentionInput:
      return "attn_qkv";
    case TensorKind::kAttentionOutput:
      return "attn_out";
    case TensorKind::kUp:
      return "up";
    case TensorKind::kGate:
      return "gate";
    case TensorKind::kDown:
      return "down";
    case TensorKind::kNorm:
      return "norm";
    case TensorKind::kBias:
      return "bias";
    case TensorKind::kScale:
      return "scale";
    case TensorKind::kOther:
      break;
  }
  return "other";
}

std::string_view compared_codec_name(ComparedCodec codec) {
  switch (codec) {
    case ComparedCodec::kZstd:
      return "zstd";
    case ComparedCodec::kHuffman:
      return "huffman";
    case ComparedCodec::kFse:
      return "fse";
    case ComparedCodec::kZstdLiterals:
      break;
  }
  return "zstd_literals";
}

uint64_t FilterEntropy::bytes() const {
  uint64_t sum = 0;
  for (const StreamEntropy& stream : streams) sum += stream.bytes;
  return sum;
}

double FilterEntropy::bits() const {
  double sum = 0;
  for (const StreamEntropy& stream : streams) sum += stream.bits;
  return sum;
}

std::optional<double> CodecFigures::encode_rate() const {
  return quotient(static_cast<double>(measured_bytes), encode_seconds);
}

std::optional<double> CodecFigures::decode_rate() const {
  return quotient(static_cast<double>(measured_bytes), decode_seconds);
}

std::optional<double> Figures::bits_per_value() const {
  return quotient(entropy_bits, static_cast<double>(value_count));
}

std::optional<double> Figures::bits_per_value_error() const {
  return quotient(entropy_bits_error, static_cast<double>(value_count));
}

std::optional<double> Figures::whole_bits_per_value() const {
  return quotient(whole_value_bits, static_cast<double>(whole_value_count));
}

std::optional<double> ratio(uint64_t decoded_bytes, double stored_bytes) {
  return quotient(static_cast<double>(decoded_bytes), stored_bytes);
}

std::optional<double> ratio_bound(const Figures& figures) {
  return ratio(figures.bytes, figures.entropy_bits / 8);
}

std::optional<double> chunk_ratio_bound(const Figures& figures) {
  return ratio(figures.bytes, figures.chunk_entropy_bits / 8);
}

double ValueStatistics::absmax() const { return std::max(std::fabs(minimum), std::fabs(maximum)); }

std::optional<double> ValueStatistics::absmax_in_deviations() const {
  if (!std::isfinite(deviation)) return std::nullopt;
  return quotient(absmax(), deviation);
}

std::optional<double> ValueStatistics::bell_int8_bits() const {
  const auto deviations = absmax_in_deviations();
  if (!deviations) return std::nullopt;
  return std::max(std::log2(kBellConstant / *deviations), 0.0);
}

std::optional<double> ModelAnalysis::packed_ratio() const {
  return ratio(input_bytes, load.container_bytes);
}

}  // namespace qload::analyze
