#include "tools/analyze/model_estimate.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace qload::analyze {
namespace {

/// Entropies and stream sizes of `figures`, `factor` times.
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

void sort_forms(std::vector<FormShare>& forms) {
  std::ranges::stable_sort(forms, std::ranges::greater(), &FormShare::bytes);
}

void add_entropies(Figures& to, const Figures& added) {
  to.read_bytes += added.read_bytes;
  to.entropy_bits += added.entropy_bits;
  to.chunk_entropy_bits += added.chunk_entropy_bits;
  to.whole_value_bits += added.whole_value_bits;
  to.whole_value_count += added.whole_value_count;
  for (const FilterEntropy& filter : added.filters) add_filter(to.filters, filter);
}

/// Stored bytes of `unknown_chunks` chunks of `unknown_bytes` bytes, of which `expected` are
/// expected, by what is known of the family.
double estimate_stored(const RatioSums& family, double expected, uint64_t unknown_bytes) {
  return std::min(family.ratio() * std::max(expected, 0.0), static_cast<double>(unknown_bytes));
}

/// Variance of that: each chunk's own, and that of the ratio, which they share.
double stored_variance(const RatioSums& family, double unknown_chunks) {
  if (unknown_chunks == 0 || family.chunk_count == 0) return 0;
  const double variance = family.residual_variance();
  return unknown_chunks * variance +
         unknown_chunks * unknown_chunks * variance / static_cast<double>(family.chunk_count);
}

/// Variance of the entropy of tensors of which nothing was read, in bits squared.
double inferred_variance(const FamilySums& family, const UnknownChunks& unknown) {
  if (unknown.inferred_bytes == 0 || family.read_chunk_count == 0) return 0;
  return family.overall_variance() *
         (unknown.inferred_squares + unknown.inferred_bytes * unknown.inferred_bytes /
                                         static_cast<double>(family.read_chunk_count));
}

uint64_t value_count(const ChunkRun& run) {
  const DTypeInfo* info = find_dtype(run.dtype);
  if (run.kind != ContentKind::kTensor || info == nullptr) return run.bytes;
  return run.bytes / info->block_bytes * info->block_elements;
}

}  // namespace

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
  UnknownChunks& all = unknown_[family];
  all.measured += unknown.measured;
  all.packed += unknown.packed;
  all.inferred_bytes += unknown.inferred_bytes;
  all.inferred_squares += unknown.inferred_squares;
  all.entropy_variance += unknown.entropy_variance;
}

Figures FiguresSum::take() const {
  Figures out = sum_;
  double entropy = 0;
  double packed = 0;
  std::array<double, kComparedCodecCount> codecs = {};
  for (const auto& [family, unknown] : unknown_) {
    const FamilySums& sums = families_[family];
    entropy += unknown.entropy_variance + inferred_variance(sums, unknown);
    packed += stored_variance(sums.measured.packed, unknown.packed);
    for (size_t i = 0; i < codecs.size(); ++i) {
      codecs[i] += stored_variance(sums.measured.codecs[i].sizes, unknown.measured);
    }
  }
  out.entropy_bits_error = std::sqrt(entropy);
  out.packed.stored_bytes_error = std::sqrt(packed);
  for (size_t i = 0; i < codecs.size(); ++i) {
    out.codecs[i].stored_bytes_error = std::sqrt(codecs[i]);
  }
  sort_forms(out.packed.forms);
  return out;
}

ModelEstimate::ModelEstimate(const ChunkedModel& model, const RunFamilies& families,
                             std::vector<RunSums> sums)
    : model_(model), families_(families), sums_(std::move(sums)), family_sums_(families.count) {
  for (uint32_t run = 0; run < sums_.size(); ++run) {
    FamilySums& family = family_sums_[families.of_run[run]];
    family.measured.merge(sums_[run].measured);
    add_entropies(family.read, sums_[run].read);
    family.add_tensor(sums_[run].entropies);
  }
}

bool ModelEstimate::is_inferred(uint32_t number) const {
  const uint32_t run = owner(number);
  return sums_[run].entropies.count == 0 && model_.runs()[run].chunk_count > 0;
}

UnknownChunks ModelEstimate::unknown(uint32_t number) const {
  const uint32_t run = owner(number);
  const RunSums& own = sums_[run];
  const auto chunk_count = static_cast<double>(model_.runs()[run].chunk_count);
  const auto bytes = static_cast<double>(model_.runs()[run].bytes);
  const auto known = [&](const RatioSums& sums) { return static_cast<double>(sums.chunk_count); };
  UnknownChunks unknown;
  unknown.measured = chunk_count - known(own.measured.codecs[0].sizes);
  unknown.packed = chunk_count - known(own.measured.packed);
  if (is_inferred(run)) {
    unknown.inferred_bytes = bytes;
    unknown.inferred_squares = bytes * bytes;
  } else if (own.entropies.count > 0) {
    const auto read = static_cast<double>(own.entropies.count);
    unknown.entropy_variance =
        bytes * bytes * family_sums_[family(run)].entropy_variance() * (1 / read - 1 / chunk_count);
  }
  return unknown;
}

Figures ModelEstimate::figures(uint32_t number) const {
  const uint32_t run = owner(number);
  Figures figures;
  figures.tensor_count = 1;
  figures.bytes = model_.runs()[run].bytes;
  figures.value_count = value_count(model_.runs()[run]);
  if (figures.bytes == 0) return figures;
  estimate_entropies(run, figures);
  estimate_sizes(run, figures);
  return figures;
}

void ModelEstimate::estimate_entropies(uint32_t run, Figures& figures) const {
  const FamilySums& family = family_sums_[this->family(run)];
  const Figures& from = is_inferred(run) ? family.read : sums_[run].read;
  add_entropies(figures, from);
  figures.read_bytes = sums_[run].read.read_bytes;
  scale_entropies(figures, static_cast<double>(figures.bytes) /
                               static_cast<double>(std::max<uint64_t>(from.read_bytes, 1)));
  const UnknownChunks unknown = this->unknown(run);
  figures.entropy_bits_error =
      std::sqrt(unknown.entropy_variance + inferred_variance(family, unknown));
}

void ModelEstimate::estimate_sizes(uint32_t run, Figures& figures) const {
  const MeasuredSums& own = sums_[run].measured;
  const MeasuredSums& family = family_sums_[this->family(run)].measured;
  const UnknownChunks unknown = this->unknown(run);
  const auto chunk_count = static_cast<double>(model_.runs()[run].chunk_count);
  const double expected = figures.chunk_entropy_bits / 8 + chunk_count;
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    const MeasuredSums::Codec& codec = own.codecs[i];
    CodecFigures& out = figures.codecs[i];
    out.stored_bytes = codec.sizes.stored + estimate_stored(family.codecs[i].sizes,
                                                            expected - codec.sizes.expected,
                                                            figures.bytes - codec.sizes.bytes);
    out.stored_bytes_error = std::sqrt(stored_variance(family.codecs[i].sizes, unknown.measured));
    out.measured_bytes = codec.sizes.bytes;
    out.encode_seconds = codec.encode_seconds;
    out.decode_seconds = codec.decode_seconds;
  }
  PackedFigures& packed = figures.packed;
  const uint64_t unknown_bytes = figures.bytes - own.packed.bytes;
  packed.stored_bytes =
      own.packed.stored +
      estimate_stored(family.packed, expected - own.packed.expected, unknown_bytes);
  packed.stored_bytes_error = std::sqrt(stored_variance(family.packed, unknown.packed));
  packed.decode_seconds = own.packed_decode_seconds;
  if (family.packed.bytes > 0) {
    packed.decode_seconds += family.packed_decode_seconds * static_cast<double>(unknown_bytes) /
                             static_cast<double>(family.packed.bytes);
  }
  const MeasuredSums& formed = own.packed.bytes > 0 ? own : family;
  for (const auto& [form, bytes] : formed.forms) {
    const double share = static_cast<double>(bytes) / static_cast<double>(formed.packed.bytes);
    packed.forms.push_back(
        {form, static_cast<uint64_t>(std::llround(share * static_cast<double>(figures.bytes)))});
  }
  sort_forms(packed.forms);
}

PackedShare ModelEstimate::packed_share(uint32_t run) const {
  const MeasuredSums& own = sums_[run].measured;
  const MeasuredSums& family = family_sums_[this->family(run)].measured;
  PackedShare out;
  if (family.packed.bytes == 0) return out;
  out.raw = 2 * family.packed_raw_bytes > family.packed.bytes;
  out.stream_count = static_cast<uint32_t>(
      (family.packed_stream_count + family.packed.chunk_count / 2) / family.packed.chunk_count);
  out.stored_share = family.packed.stored / static_cast<double>(family.packed.bytes);
  const uint64_t unknown_bytes = model_.runs()[run].bytes - own.packed.bytes;
  if (model_.runs()[run].kind == ContentKind::kKept || unknown_bytes == 0) return out;
  out.stored_share =
      (figures(run).packed.stored_bytes - own.packed.stored) / static_cast<double>(unknown_bytes);
  return out;
}

}  // namespace qload::analyze
