#include "tools/analyze/family_sums.h"

#include <algorithm>

namespace qload::analyze {
namespace {

// Parts that a family borrows from all others: its own outweigh them from five chunks on.
constexpr double kBorrowed = 4;

}  // namespace

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

void EntropySums::merge(const EntropySums& other) {
  count += other.count;
  sum += other.sum;
  squares += other.squares;
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

void FamilySpreads::Weighted::add(const Weighted& other) {
  sum += other.sum;
  weight += other.weight;
}

double FamilySpreads::Weighted::mean_with(const Weighted& all) const {
  const Weighted both{sum + kBorrowed * all.mean(), weight + (all.weight > 0 ? kBorrowed : 0)};
  return both.mean();
}

FamilySpreads::Weighted FamilySpreads::Spreads::overall() const {
  return {chunks.spread(), chunks.count < 2 ? 0.0 : static_cast<double>(chunks.count - 1)};
}

void FamilySpreads::add(uint32_t family, const EntropySums& chunks, double merged) {
  Spreads& spreads = families_[family];
  spreads.chunks.merge(chunks);
  if (chunks.count < 2) return;
  const auto freedom = static_cast<double>(chunks.count - 1);
  spreads.within.add({chunks.spread(), freedom});
  // The entropy of n chunks together passes their mean by (n - 1) / n of what that of all would.
  const double mean = chunks.sum / static_cast<double>(chunks.count);
  spreads.gain.add({static_cast<double>(chunks.count) * std::max(merged - mean, 0.0), freedom});
}

void FamilySpreads::describe(std::vector<FamilySums>& families) const {
  Weighted within;
  Weighted overall;
  Weighted gain;
  for (const Spreads& spreads : families_) {
    within.add(spreads.within);
    overall.add(spreads.overall());
    gain.add(spreads.gain);
  }
  for (size_t i = 0; i < families.size(); ++i) {
    families[i].read_chunk_count = families_[i].chunks.count;
    families[i].overall_variance = families_[i].overall().mean_with(overall);
    // Where no tensor has two chunks, what is between tensors is in it, too.
    families[i].within_variance =
        within.weight > 0 ? families_[i].within.mean_with(within) : families[i].overall_variance;
    families[i].entropy_gain = families_[i].gain.mean_with(gain);
  }
}

}  // namespace qload::analyze
