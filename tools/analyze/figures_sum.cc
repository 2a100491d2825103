#include "tools/analyze/figures_sum.h"

#include <algorithm>
#include <cmath>

namespace qload::analyze {
namespace {

void add_filter(std::vector<FilterEntropy>& filters, const FilterEntropy& added) {
  auto at = std::ranges::lower_bound(filters, added.filter, {}, &FilterEntropy::filter);
  if (at == filters.end() || at->filter != added.filter) {
    filters.insert(at, added);
    return;
  }
  at->chunk_bits += added.chunk_bits;
  for (size_t i = 0; i < kStreamCountMax; ++i) {
    at->streams[i].bytes += added.streams[i].bytes;
    at->streams[i].bits += added.streams[i].bits;
  }
}

void add_form(std::vector<FormShare>& forms, const FormShare& added) {
  const auto known = std::ranges::find(forms, added.form, &FormShare::form);
  if (known == forms.end()) {
    forms.push_back(added);
  } else {
    known->bytes += added.bytes;
  }
}

/// Variance of stored bytes that are told by a ratio: each chunk's own, and that of the ratio,
/// which they share; and of what is expected of them, when that is not exact either.
double stored_variance(const RatioSums& family, double unknown_chunks, double entropy_variance) {
  if (unknown_chunks == 0 || family.chunk_count == 0) return 0;
  const double variance = family.residual_variance();
  const double ratio = family.ratio() / 8;
  return unknown_chunks * variance +
         unknown_chunks * unknown_chunks * variance / static_cast<double>(family.chunk_count) +
         ratio * ratio * entropy_variance;
}

/// Variance of the entropy of tensors of which nothing was read, in bits squared.
double inferred_variance(const FamilySums& family, const UnknownChunks& unknown) {
  if (unknown.inferred_bytes == 0 || family.read_chunk_count == 0) return 0;
  return family.overall_variance *
         (unknown.inferred_squares + unknown.inferred_bytes * unknown.inferred_bytes /
                                         static_cast<double>(family.read_chunk_count));
}

}  // namespace

void UnknownChunks::add(const UnknownChunks& other) {
  measured += other.measured;
  packed += other.packed;
  inferred_bytes += other.inferred_bytes;
  inferred_squares += other.inferred_squares;
  entropy_variance += other.entropy_variance;
}

void UnknownVariances::add(const UnknownVariances& other) {
  entropy_bits += other.entropy_bits;
  packed_bytes += other.packed_bytes;
  for (size_t i = 0; i < codec_bytes.size(); ++i) codec_bytes[i] += other.codec_bytes[i];
}

void UnknownVariances::describe(Figures& figures) const {
  figures.entropy_bits_error = std::sqrt(entropy_bits);
  figures.packed.stored_bytes_error = std::sqrt(packed_bytes);
  for (size_t i = 0; i < codec_bytes.size(); ++i) {
    figures.codecs[i].stored_bytes_error = std::sqrt(codec_bytes[i]);
  }
}

UnknownVariances variances_of(const FamilySums& family, const UnknownChunks& unknown) {
  UnknownVariances out;
  out.entropy_bits = unknown.entropy_variance + inferred_variance(family, unknown);
  out.packed_bytes = stored_variance(family.measured.packed, unknown.packed, out.entropy_bits);
  for (size_t i = 0; i < out.codec_bytes.size(); ++i) {
    out.codec_bytes[i] =
        stored_variance(family.measured.codecs[i].sizes, unknown.measured, out.entropy_bits);
  }
  return out;
}

void scale_entropies(Figures& figures, double factor) {
  if (factor == 1) return;  // Exact numbers stay exact.
  const auto scaled = [&](uint64_t count) {
    return static_cast<uint64_t>(std::llround(static_cast<double>(count) * factor));
  };
  figures.entropy_bits *= factor;
  figures.chunk_entropy_bits *= factor;
  figures.whole_value_bits *= factor;
  figures.whole_value_count = scaled(figures.whole_value_count);
  for (FilterEntropy& filter : figures.filters) {
    filter.chunk_bits *= factor;
    for (StreamEntropy& stream : filter.streams) {
      stream.bits *= factor;
      stream.bytes = scaled(stream.bytes);
    }
  }
}

void sort_forms(std::vector<FormShare>& forms) {
  std::ranges::stable_sort(forms, std::ranges::greater(), &FormShare::bytes);
}

void add_entropies(Figures& sum, const Figures& added) {
  sum.read_bytes += added.read_bytes;
  sum.entropy_bits += added.entropy_bits;
  sum.chunk_entropy_bits += added.chunk_entropy_bits;
  sum.whole_value_bits += added.whole_value_bits;
  sum.whole_value_count += added.whole_value_count;
  for (const FilterEntropy& filter : added.filters) add_filter(sum.filters, filter);
}

void FiguresSum::add(const Figures& figures, uint32_t family, const UnknownChunks& unknown) {
  sum_.tensor_count += figures.tensor_count;
  sum_.value_count += figures.value_count;
  sum_.bytes += figures.bytes;
  add_entropies(sum_, figures);
  for (size_t i = 0; i < sum_.codecs.size(); ++i) {
    sum_.codecs[i].stored_bytes += figures.codecs[i].stored_bytes;
    sum_.codecs[i].measured_bytes += figures.codecs[i].measured_bytes;
    sum_.codecs[i].encode_seconds += figures.codecs[i].encode_seconds;
    sum_.codecs[i].decode_seconds += figures.codecs[i].decode_seconds;
  }
  sum_.packed.stored_bytes += figures.packed.stored_bytes;
  sum_.packed.decode_seconds += figures.packed.decode_seconds;
  for (const FormShare& form : figures.packed.forms) add_form(sum_.packed.forms, form);
  unknown_[family].add(unknown);
}

Figures FiguresSum::take() const {
  Figures out = sum_;
  UnknownVariances variances;
  for (const auto& [family, unknown] : unknown_) {
    variances.add(variances_of(families_[family], unknown));
  }
  variances.describe(out);
  sort_forms(out.packed.forms);
  return out;
}

}  // namespace qload::analyze
