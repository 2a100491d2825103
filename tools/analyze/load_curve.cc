#include "tools/analyze/load_curve.h"

#include <algorithm>
#include <cmath>

#include "tools/plan/planned_form.h"

namespace qload::analyze {
namespace {

constexpr double kRateMin = 10e6;
constexpr double kRateMax = 100e9;
constexpr int kRatesPerDecade = 8;
constexpr double kSameRate = 1e-9;
// Halvings of four decades: to one part in 10^8.
constexpr int kBisections = 30;

LoadPoint loads_at(double rate, const TargetDevice& target, uint64_t plain_bytes,
                   const LoadWork& work) {
  TargetDevice device = target;
  device.storage_bytes_per_second = rate;
  return {rate, tools::plain_form(plain_bytes, device).cold.total(),
          modelled_load_seconds(device, work)};
}

bool pays(const LoadPoint& point) { return point.packed_seconds < point.plain_seconds; }

}  // namespace

LoadPrediction predict_loads(const tools::DeviceProfile& target, uint64_t plain_bytes,
                             uint64_t container_bytes, const LoadWork& work) {
  const auto at = [&](double rate) { return loads_at(rate, target.device, plain_bytes, work); };
  LoadPrediction out{.target = target.name,
                     .target_description = target.description,
                     .plain_bytes = static_cast<double>(plain_bytes),
                     .container_bytes = static_cast<double>(container_bytes),
                     .at_target = at(target.device.storage_bytes_per_second)};
  const int count =
      static_cast<int>(std::lround(std::log10(kRateMax / kRateMin))) * kRatesPerDecade;
  for (int i = 0; i <= count; ++i) {
    out.curve.push_back(at(kRateMin * std::pow(10.0, static_cast<double>(i) / kRatesPerDecade)));
  }
  // The target's own rate is a point of the curve, once.
  const double rate = out.at_target.storage_bytes_per_second;
  const auto place = std::ranges::lower_bound(out.curve, rate * (1 - kSameRate), {},
                                              &LoadPoint::storage_bytes_per_second);
  const bool is_there =
      place != out.curve.end() && place->storage_bytes_per_second <= rate * (1 + kSameRate);
  if (is_there) {
    *place = out.at_target;
  } else {
    out.curve.insert(place, out.at_target);
  }
  // What packing saves shrinks as storage gets faster, and what it costs does not.
  if (!pays(at(kRateMin))) return out;
  if (pays(at(kRateMax))) {
    out.payoff = Payoff::kAlways;
    return out;
  }
  double below = std::log(kRateMin);
  double above = std::log(kRateMax);
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (below + above) / 2;
    (pays(at(std::exp(middle))) ? below : above) = middle;
  }
  out.payoff = Payoff::kUpTo;
  out.break_even_rate = std::exp(below);
  return out;
}

}  // namespace qload::analyze
