#include "tools/quantize/quantization_statistics.h"

#include <algorithm>
#include <cmath>

#include "tools/encode/entropy.h"
#include "tools/encode/int8_rows.h"

namespace qload::quantize {

std::optional<double> TensorStatistics::peak_to_deviation() const {
  if (deviation == 0) return std::nullopt;
  return absolute_max / deviation;
}

void StatisticsSums::add_weights(DType dtype, std::span<const std::byte> source,
                                 std::span<const float> values) {
  plane_count_ = find_dtype(dtype)->block_bytes;
  for (uint32_t plane = 0; plane < plane_count_; ++plane) {
    for (size_t i = plane; i < source.size(); i += plane_count_) {
      ++planes_[plane][static_cast<size_t>(source[i])];
    }
  }
  StatisticsSums piece;
  piece.count_ = static_cast<double>(values.size());
  double sum = 0;
  for (const float value : values) sum += value;
  piece.mean_ = sum / std::max(1.0, piece.count_);
  for (const float value : values) {
    const double difference = value - piece.mean_;
    const double square = difference * difference;
    piece.second_ += square;
    piece.third_ += square * difference;
    piece.fourth_ += square * square;
    piece.square_sum_ += static_cast<double>(value) * value;
  }
  piece.absolute_max_ = encode::largest_magnitude(values);
  merge(piece);
}

void StatisticsSums::add_errors(std::span<const float> values, std::span<const float> decoded) {
  for (size_t i = 0; i < values.size(); ++i) {
    const double error = static_cast<double>(values[i]) - decoded[i];
    error_square_sum_ += error * error;
    error_max_ = std::max(error_max_, std::fabs(error));
  }
}

void StatisticsSums::add_codes(DType dtype, std::span<const std::byte> weights) {
  const DTypeInfo& type = *find_dtype(dtype);
  const size_t scale_bytes = type.block_elements == 1 ? 0 : 2;  // A block begins with a half.
  for (; !weights.empty(); weights = weights.subspan(type.block_bytes)) {
    for (const std::byte code : weights.subspan(scale_bytes, type.block_bytes - scale_bytes)) {
      const auto value = static_cast<size_t>(code);
      if (dtype != DType::kQ4_0) {
        ++codes_[value];
      } else {
        ++codes_[value & 15];
        ++codes_[value >> 4];
      }
    }
  }
}

// The rule for joining moments of two samples: Pebay, "Formulas for robust, one-pass parallel
// computation of covariances and arbitrary-order statistical moments" (Sandia, 2008).
void StatisticsSums::merge(const StatisticsSums& next) {
  const double a = count_;
  const double b = next.count_;
  if (b > 0) {
    const double n = a + b;
    const double delta = next.mean_ - mean_;
    const double step = delta / n;
    fourth_ += next.fourth_ + delta * step * step * step * a * b * (a * a - a * b + b * b) +
               6 * step * step * (a * a * next.second_ + b * b * second_) +
               4 * step * (a * next.third_ - b * third_);
    third_ += next.third_ + delta * step * step * a * b * (a - b) +
              3 * step * (a * next.second_ - b * second_);
    second_ += next.second_ + delta * step * a * b;
    mean_ += step * b;
    count_ = n;
  }
  absolute_max_ = std::max(absolute_max_, next.absolute_max_);
  square_sum_ += next.square_sum_;
  error_square_sum_ += next.error_square_sum_;
  error_max_ = std::max(error_max_, next.error_max_);
  plane_count_ = std::max(plane_count_, next.plane_count_);
  for (size_t i = 0; i < 256; ++i) {
    codes_[i] += next.codes_[i];
    for (size_t plane = 0; plane < planes_.size(); ++plane) {
      planes_[plane][i] += next.planes_[plane][i];
    }
  }
}

TensorStatistics StatisticsSums::finish() const {
  TensorStatistics figures;
  figures.count = static_cast<uint64_t>(count_);
  figures.absolute_max = absolute_max_;
  figures.error_max = error_max_;
  if (count_ > 0) figures.deviation = std::sqrt(second_ / count_);
  if (second_ > 0) figures.kurtosis = count_ * fourth_ / (second_ * second_);
  if (error_square_sum_ > 0 && square_sum_ > 0) {
    figures.sqnr_decibels = 10 * std::log10(square_sum_ / error_square_sum_);
  }
  for (uint32_t plane = 0; plane < plane_count_; ++plane) {
    figures.source_entropy_bits += encode::entropy_bits(planes_[plane]);
  }
  figures.code_entropy_bits = encode::entropy_bits(codes_);
  return figures;
}

}  // namespace qload::quantize
