// Where values of an axis stand, and which of them are written at it.
#pragma once

#include <string>
#include <vector>

namespace qload::chart {

/// What has a place on an axis: beyond these bounds sums and quotients of two values may overflow.
inline constexpr double kPlotValueMax = 1e150;
inline constexpr double kPlotValueMin = 1e-150;  ///< On a logarithmic axis.

/// At most seven round numbers from at or below `low` to at or above `high`.
/// REQUIRES: low <= high, neither beyond kPlotValueMax.
std::vector<double> choose_ticks(double low, double high);

struct AxisTick {
  double value = 0;
  std::string text;  ///< Empty: a line of the grid only.
};

/// An axis from `low` to `high`.
struct AxisScale {
  double low = 0;
  double high = 1;
  bool logarithmic = false;
  std::vector<AxisTick> ticks;

  /// 0 at `low`, 1 at `high`; held to that range. REQUIRES: within those bounds.
  double share_of(double value) const;
};

/// From a round number at or below `low` to one at or above `high`. REQUIRES: as choose_ticks().
AxisScale round_scale(double low, double high);
/// From `low` to `high` themselves, with round numbers between. REQUIRES: low < high, as
/// choose_ticks().
AxisScale exact_scale(double low, double high);
/// In factors: 1, 2 and 5 times powers of ten. REQUIRES: low <= high, both
/// from kPlotValueMin to kPlotValueMax.
AxisScale logarithmic_scale(double low, double high);

}  // namespace qload::chart
