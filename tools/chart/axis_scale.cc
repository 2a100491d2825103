#include "tools/chart/axis_scale.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace qload::chart {
namespace {

// Neighbouring doubles have no round numbers between them.
constexpr double kRelativeSpanMin = 1e-9;
// Further apart than this, powers of ten are written every so many.
constexpr int kPowersMax = 7;
// Within this many powers of ten 2 and 5 are written, too; within the second they have a line.
constexpr double kFullPowersMax = 2.4;
constexpr double kGridPowersMax = 4.5;

std::string format_number(const char* format, int precision, double value) {
  char buffer[48];
  const int length = std::snprintf(buffer, sizeof buffer, format, precision, value);
  return std::string(buffer, static_cast<size_t>(length));
}

/// "0.25", "1200", "3e+07": as many digits as a step needs.
std::string tick_text(double value, double step) {
  if (std::abs(value) < step / 2) return "0";
  const double digits = std::ceil(-std::log10(step) - 1e-9);
  if (digits > 5 || std::abs(value) >= 1e6) return format_number("%.*g", 3, value);
  // A step of 0.25 needs one more than its power of ten.
  int decimals = std::max(static_cast<int>(digits), 0);
  const double scaled = step * std::pow(10, decimals);
  if (std::abs(scaled - std::round(scaled)) > 1e-6) decimals += 1;
  return format_number("%.*f", decimals, value);
}

/// The least of 1, 2, 5 times a power of ten at or above `value`, or the most at or below it.
double round_factor(double value, bool upwards) {
  const double power = std::pow(10, std::floor(std::log10(value) + 1e-9));
  if (upwards) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (value <= factor * power * (1 + 1e-9)) return factor * power;
    }
    return 10 * power;
  }
  for (const double factor : {5.0, 2.0}) {
    if (value >= factor * power * (1 - 1e-9)) return factor * power;
  }
  return power;
}

AxisScale with_ticks(double low, double high, const std::vector<double>& ticks) {
  AxisScale scale{.low = low, .high = high, .ticks = {}};
  const double step = ticks[1] - ticks[0];
  for (const double tick : ticks) {
    const bool inside = tick >= low - step * 1e-6 && tick <= high + step * 1e-6;
    if (inside) scale.ticks.push_back({tick, tick_text(tick, step)});
  }
  return scale;
}

}  // namespace

std::vector<double> choose_ticks(double low, double high) {
  const double size = std::max(std::abs(low), std::abs(high));
  double span = high - low;
  if (span <= size * kRelativeSpanMin) span = size;
  if (size < kPlotValueMin) span = 1;
  // The smallest of 1, 2, 5 times a power of ten that needs no more than five steps.
  double step = std::pow(10, std::floor(std::log10(span / 5)));
  for (const double factor : {2.0, 2.5, 2.0}) {
    if (span / step <= 5) break;
    step *= factor;
  }
  const double first = std::floor(low / step + 1e-9);
  const double last = std::max(first + 1, std::ceil(high / step - 1e-9));
  const auto count = static_cast<size_t>(last - first) + 1;
  std::vector<double> ticks;
  for (size_t i = 0; i < count; ++i) ticks.push_back((first + static_cast<double>(i)) * step);
  return ticks;
}

double AxisScale::share_of(double value) const {
  double share = 0;
  if (logarithmic) {
    share = (std::log(std::max(value, low)) - std::log(low)) / (std::log(high) - std::log(low));
  } else {
    share = (value - low) / (high - low);
  }
  return std::clamp(share, 0.0, 1.0);
}

AxisScale round_scale(double low, double high) {
  const std::vector<double> ticks = choose_ticks(low, high);
  return with_ticks(ticks.front(), ticks.back(), ticks);
}

AxisScale exact_scale(double low, double high) {
  return with_ticks(low, high, choose_ticks(low, high));
}

AxisScale logarithmic_scale(double low, double high) {
  AxisScale scale{.low = round_factor(low, false),
                  .high = round_factor(high, true),
                  .logarithmic = true,
                  .ticks = {}};
  if (scale.high < scale.low * 1.5) scale.high = round_factor(scale.low * 1.5, true);
  const double powers = std::log10(scale.high) - std::log10(scale.low);
  const int first = static_cast<int>(std::floor(std::log10(scale.low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(scale.high) - 1e-9));
  const int stride = std::max(1, (last - first + kPowersMax - 1) / kPowersMax);
  for (int power = first; power <= last; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10, power);
      if (value < scale.low * (1 - 1e-9) || value > scale.high * (1 + 1e-9)) continue;
      const bool is_power = factor == 1.0;
      if (!is_power && powers > kGridPowersMax) continue;
      if (is_power && (power - first) % stride != 0) continue;
      const bool written = is_power || powers <= kFullPowersMax;
      scale.ticks.push_back({value, written ? format_number("%.*g", 6, value) : std::string()});
    }
  }
  return scale;
}

}  // namespace qload::chart
