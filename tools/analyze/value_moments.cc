#include "tools/analyze/value_moments.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "format/base/assert.h"
#include "format/base/bytes.h"

namespace qload::analyze {
namespace {

/// Calls use(load) with load(index) -> the number, for the type's width and meaning.
template <class Use>
void with_loader(DType dtype, const std::byte* from, Use use) {
  switch (dtype) {
    case DType::kF32:
      return use([=](size_t i) { return std::bit_cast<float>(load_le<uint32_t>(from + 4 * i)); });
    case DType::kI32:
      return use([=](size_t i) { return static_cast<int32_t>(load_le<uint32_t>(from + 4 * i)); });
    case DType::kU32:
      return use([=](size_t i) { return load_le<uint32_t>(from + 4 * i); });
    case DType::kF64:
      return use([=](size_t i) { return std::bit_cast<double>(load_le<uint64_t>(from + 8 * i)); });
    case DType::kI64:
      return use([=](size_t i) { return static_cast<int64_t>(load_le<uint64_t>(from + 8 * i)); });
    case DType::kU64:
      return use([=](size_t i) { return load_le<uint64_t>(from + 8 * i); });
    default:
      QLOAD_ASSERT(false);
  }
}

size_t value_count(DType dtype, std::span<const std::byte> bytes) {
  const DTypeInfo* info = find_dtype(dtype);
  QLOAD_ASSERT(info != nullptr);
  return bytes.size() / info->block_bytes;
}

/// What a first pass finds: everything but the moments about the mean.
struct Census {
  ValueMoments moments;
  double sum = 0;

  void add(double value, uint64_t count) {
    if (std::isnan(value)) {
      moments.nan_count += count;
      return;
    }
    if (std::isinf(value)) {
      moments.infinity_count += count;
      return;
    }
    const bool first = moments.finite_count == 0;
    moments.minimum = first ? value : std::min(moments.minimum, value);
    moments.maximum = first ? value : std::max(moments.maximum, value);
    moments.finite_count += count;
    if (value == 0) moments.zero_count += count;
    sum += value * static_cast<double>(count);
  }

  ValueMoments with_mean() const {
    ValueMoments out = moments;
    if (out.finite_count > 0) out.mean = sum / static_cast<double>(out.finite_count);
    return out;
  }
};

/// Adds to the powers of `moments`, whose mean is known. Values that are not finite are left out.
void add_powers(double value, double count, ValueMoments& moments) {
  const double from_mean = value - moments.mean;
  const double square = from_mean * from_mean;
  moments.squares += count * square;
  moments.cubes += count * square * from_mean;
  moments.fourths += count * square * square;
}

}  // namespace

/// Pairwise update of central moments: P. Pébay, "Formulas for robust, one-pass parallel
/// computation of covariances and arbitrary-order statistical moments", 2008, equations 2.1 to 2.4.
void ValueMoments::merge(const ValueMoments& other) {
  nan_count += other.nan_count;
  infinity_count += other.infinity_count;
  if (other.finite_count == 0) return;
  const auto a = static_cast<double>(finite_count);
  const auto b = static_cast<double>(other.finite_count);
  const double n = a + b;
  const double apart = other.mean - mean;
  const double step = apart / n;
  const double fourth = other.fourths +
                        a * b * (a * a - a * b + b * b) * step * step * step * apart +
                        6 * (a * a * other.squares + b * b * squares) * step * step +
                        4 * (a * other.cubes - b * cubes) * step;
  const double third = other.cubes + a * b * (a - b) * step * step * apart +
                       3 * (a * other.squares - b * squares) * step;
  fourths += fourth;
  cubes += third;
  squares += other.squares + a * b * step * apart;
  minimum = finite_count == 0 ? other.minimum : std::min(minimum, other.minimum);
  maximum = finite_count == 0 ? other.maximum : std::max(maximum, other.maximum);
  mean += b * step;
  finite_count += other.finite_count;
  zero_count += other.zero_count;
}

ValueMoments moments_of(std::span<const CountedValue> values) {
  Census census;
  for (const CountedValue& value : values) census.add(value.value, value.count);
  ValueMoments moments = census.with_mean();
  for (const CountedValue& value : values) {
    if (std::isfinite(value.value)) {
      add_powers(value.value, static_cast<double>(value.count), moments);
    }
  }
  return moments;
}

ValueMoments moments_of(DType dtype, std::span<const std::byte> bytes) {
  const size_t count = value_count(dtype, bytes);
  ValueMoments moments;
  with_loader(dtype, bytes.data(), [&](auto load) {
    Census census;
    for (size_t i = 0; i < count; ++i) census.add(static_cast<double>(load(i)), 1);
    moments = census.with_mean();
    for (size_t i = 0; i < count; ++i) {
      const auto value = static_cast<double>(load(i));
      if (std::isfinite(value)) add_powers(value, 1, moments);
    }
  });
  return moments;
}

void count_upper_halves(DType dtype, std::span<const std::byte> bytes, std::span<uint32_t> counts) {
  QLOAD_ASSERT(counts.size() == 1u << 16);
  const size_t count = value_count(dtype, bytes);
  with_loader(dtype, bytes.data(), [&](auto load) {
    for (size_t i = 0; i < count; ++i) {
      ++counts[std::bit_cast<uint32_t>(static_cast<float>(load(i))) >> 16];
    }
  });
}

}  // namespace qload::analyze
