#include "tools/analyze/family_sums.h"

#include <algorithm>

namespace qload::analyze {

void RatioSums::add(uint64_t chunk_bytes, double expected_bytes, double stored_bytes) {
  chunk_count += 1;
  bytes += chunk_bytes;
  expected += expected_bytes;
  stored += stored_bytes;
  expected_squares += expected_bytes * expected_bytes;
  products += expected_bytes * stored_bytes;
  stored_squares += stored_bytes * stored_bytes;
}

void RatioSums::merge(const RatioSums& other) {
  chunk_count += other.chunk_count;
  bytes += other.bytes;
  expected += other.expected;
  stored += other.stored;
  expected_squares += other.expected_squares;
  products += other.products;
  stored_squares += other.stored_squares;
}

double RatioSums::ratio() const { return expected > 0 ? stored / expected : 1; }

double RatioSums::residual_variance() const {
  if (chunk_count < 2) return 0;
  const double r = ratio();
  const double squares = stored_squares - 2 * r * products + r * r * expected_squares;
  return std::max(squares, 0.0) / static_cast<double>(chunk_count - 1);
}

void EntropySums::add(double bits_per_byte) {
  count += 1;
  sum += bits_per_byte;
  squares += bits_per_byte * bits_per_byte;
}

double EntropySums::spread() const {
  if (count < 2) return 0;
  return std::max(squares - sum * sum / static_cast<double>(count), 0.0);
}

void MeasuredSums::merge(const MeasuredSums& other) {
  for (size_t i = 0; i < codecs.size(); ++i) {
    codecs[i].sizes.merge(other.codecs[i].sizes);
    codecs[i].encode_seconds += other.codecs[i].encode_seconds;
    codecs[i].decode_seconds += other.codecs[i].decode_seconds;
  }
  packed.merge(other.packed);
  packed_decode_seconds += other.packed_decode_seconds;
  packed_stream_count += other.packed_stream_count;
  packed_raw_bytes += other.packed_raw_bytes;
  for (const auto& [form, bytes] : other.forms) forms[form] += bytes;
}

void FamilySums::add_tensor(const EntropySums& tensor) {
  read_chunk_count += tensor.count;
  entropies.count += tensor.count;
  entropies.sum += tensor.sum;
  entropies.squares += tensor.squares;
  if (tensor.count < 2) return;
  within_spread += tensor.spread();
  within_freedom += tensor.count - 1;
}

double FamilySums::overall_variance() const {
  if (entropies.count < 2) return 0;
  return entropies.spread() / static_cast<double>(entropies.count - 1);
}

double FamilySums::entropy_variance() const {
  return within_freedom > 0 ? within_spread / static_cast<double>(within_freedom)
                            : overall_variance();
}

}  // namespace qload::analyze
