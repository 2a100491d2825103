#include "tools/synth/weight_statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qload::synth {
namespace {

/// How the values of one kind of weight are spread.
struct KindStatistics {
  double deviation;      ///< Standard deviation of the tensor.
  double peak;           ///< Largest absolute value over the standard deviation.
  double peak_spread;    ///< Standard deviation of the logarithm of the peak, between tensors.
  double row_spread;     ///< Standard deviation of the logarithm of the row scales.
  double outlier_share;  ///< Outliers for each row of the tensor.
};

// A bell of deviation d quantised with 127 / max has about log2(524.9 d / max) bits of entropy,
// and a spread of row scales takes a little more off. The peaks are set from the founding paper's
// table 1: tensor-wise INT8 shrinks by 1.31 (attention input), 1.71 (its output), 1.45 (first
// feed-forward matrix) and 1.99 (second).
constexpr KindStatistics kKinds[kWeightKindCount] = {
    {0.040, 16.0, 0.08, 0.30, 0.002},  // embedding
    {0.030, 7.5, 0.04, 0.20, 0.000},   // attention input
    {0.025, 20.0, 0.10, 0.30, 0.005},  // attention output
    {0.025, 11.0, 0.06, 0.30, 0.002},  // feed-forward up
    {0.022, 30.5, 0.10, 0.35, 0.010},  // feed-forward down
    {0.100, 8.0, 0.00, 0.00, 0.000},   // norm
    {0.020, 8.0, 0.00, 0.00, 0.000},   // bias
};
// The tail of rows: with 0.025 the largest of 2,048 to 8,192 values stands 4.0 to 4.7 deviations
// out, which gives channel-wise INT8 the 6.7 to 7.2 bits of trained models.
constexpr double kTailWeight = 0.025;
// Row scales are cut at two deviations, so that no row outgrows the tensor's peak.
constexpr double kRowSpreadCut = 2.0;
// Peaks are higher in the first and last layer (the paper's figure 3).
constexpr double kEdgeLayerPeak = 1.12;

double normal_quantile(double p) {
  // Bisection: 60 halvings of [-8, 8] reach the precision of a double, whatever the start.
  double low = -8;
  double high = 8;
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    if (0.5 * std::erfc(-middle / std::numbers::sqrt2) < p) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return 0.5 * (low + high);
}

uint64_t hash_name(uint64_t seed, std::string_view name) {
  uint64_t hash = RandomStream::mix(seed ^ 0x51ED270B7F4A7C15u);
  for (const char c : name) hash = RandomStream::mix(hash + static_cast<unsigned char>(c) + 1);
  return hash;
}

uint32_t high_half(uint64_t number) { return static_cast<uint32_t>(number >> 32); }

}  // namespace

double usual_tail_weight() { return kTailWeight; }

BellTable::BellTable(double tail_weight) {
  // The variance of Tukey's h distribution is (1 - 2h)^(-3/2).
  const double deviation = std::pow(1 - 2 * tail_weight, -0.75);
  auto quantile = [&](double p) {
    const double z = normal_quantile(p);
    return static_cast<float>(z * std::exp(tail_weight * z * z / 2) / deviation);
  };
  for (uint32_t i = 0; i <= kCells / 2; ++i) {
    // The outermost knot is never interpolated: tail_ covers its cell.
    const float value = quantile(std::max(i, 1u) / static_cast<double>(kCells));
    centre_[i] = value;
    centre_[kCells - i] = -value;
  }
  for (uint32_t i = 0; i <= kCells; ++i) {
    // Knot 0 would be infinite; a quarter of the next one's probability stands for it.
    tail_[i] = quantile(std::max(i * 1.0, 0.25) / (static_cast<double>(kCells) * kCells));
  }
}

float BellTable::tail_value(uint32_t uniform) const {
  // The lower tail has cell 0, the upper one the last cell, mirrored.
  const bool upper = (uniform >> 31) != 0;
  const uint32_t within = (upper ? ~uniform : uniform) & 0xFFFFF;
  const uint32_t cell = within >> 8;
  const float fraction = static_cast<float>(within & 0xFF) * 0x1p-8f;
  const float value = tail_[cell] + (tail_[cell + 1] - tail_[cell]) * fraction;
  return upper ? -value : value;
}

WeightValues::WeightValues(const WeightSpec& spec, const BellTable& bell, uint32_t layer_count,
                           uint64_t seed)
    : spec_(spec), bell_(bell), seed_(hash_name(seed, spec.name)) {
  const KindStatistics& kind = kKinds[static_cast<size_t>(spec.kind)];
  deviation_ = kind.deviation;
  row_spread_ = kind.row_spread;
  centre_ = spec.kind == WeightKind::kNorm ? 1.0f : 0.0f;
  RandomStream random(RandomStream::mix(seed_ ^ 1));
  const double jitter = std::clamp<double>(bell_.value(high_half(random.next())), -1.5, 1.5);
  double peak = kind.peak * std::exp(kind.peak_spread * jitter);
  if (spec.layer == 0 || spec.layer + 1 == layer_count) peak *= kEdgeLayerPeak;
  absolute_max_ = static_cast<float>(peak * deviation_);
  if (!spec.is_vector && spec.rows > 0 && spec.columns > 0) plant_outliers(kind.outlier_share);
}

void WeightValues::plant_outliers(double share_of_rows) {
  RandomStream random(RandomStream::mix(seed_ ^ 2));
  const auto wanted = static_cast<uint64_t>(share_of_rows * static_cast<double>(spec_.rows));
  const uint64_t count = std::max<uint64_t>(1, wanted);
  for (uint64_t i = 0; i < count; ++i) {
    // The first is the peak itself, the others lie between a third of it and all of it.
    const double size = i == 0 ? 1.0 : 1.0 / 3 + random.next_unit() * (2.0 / 3);
    const float sign = (random.next() & 1) != 0 ? 1.0f : -1.0f;
    const float value = sign * static_cast<float>(size * static_cast<double>(absolute_max_));
    outliers_.push_back({random.next() % spec_.rows, random.next() % spec_.columns, value});
  }
  // The peak is written last in its row, lest a smaller outlier falls on the same place.
  std::stable_sort(outliers_.begin(), outliers_.end(), [](const Outlier& a, const Outlier& b) {
    return a.row != b.row ? a.row < b.row : std::abs(a.value) < std::abs(b.value);
  });
}

void WeightValues::fill_row(uint64_t row, std::span<float> values) const {
  RandomStream random(RandomStream::mix(seed_ + 3 + row * 0xD1342543DE82EF95u));
  double scale = deviation_;
  if (row_spread_ > 0) {
    // Divided by exp(spread^2), the root mean square of a log-normal, so that the tensor keeps
    // its deviation.
    const double z =
        std::clamp<double>(bell_.value(high_half(random.next())), -kRowSpreadCut, kRowSpreadCut);
    scale *= std::exp(row_spread_ * z - row_spread_ * row_spread_);
  }
  const auto row_scale = static_cast<float>(scale);
  const float limit = absolute_max_;
  size_t i = 0;
  for (; i + 2 <= values.size(); i += 2) {
    const uint64_t uniform = random.next();
    values[i] = bell_.value(static_cast<uint32_t>(uniform)) * row_scale;
    values[i + 1] = bell_.value(high_half(uniform)) * row_scale;
  }
  if (i < values.size()) values[i] = bell_.value(high_half(random.next())) * row_scale;
  for (float& value : values) value = centre_ + std::clamp(value, -limit, limit);

  auto outlier = std::lower_bound(outliers_.begin(), outliers_.end(), row,
                                  [](const Outlier& o, uint64_t wanted) { return o.row < wanted; });
  for (; outlier != outliers_.end() && outlier->row == row; ++outlier) {
    values[outlier->column] = outlier->value;
  }
}

}  // namespace qload::synth
