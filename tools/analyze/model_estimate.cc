#include "tools/analyze/model_estimate.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace qload::analyze {
namespace {

/// Stored bytes of chunks of `unknown_bytes` of which `expected` are expected.
double estimate_stored(const RatioSums& family, double expected, uint64_t unknown_bytes) {
  return std::min(family.ratio() * std::max(expected, 0.0), static_cast<double>(unknown_bytes));
}

uint64_t value_count(const ChunkRun& run) {
  const DTypeInfo* info = find_dtype(run.dtype);
  if (run.kind != ContentKind::kTensor || info == nullptr) return run.bytes;
  return run.bytes / info->block_bytes * info->block_elements;
}

}  // namespace

ModelEstimate::ModelEstimate(const ChunkedModel& model, const RunFamilies& families,
                             std::vector<RunSums> sums)
    : model_(model), families_(families), sums_(std::move(sums)), family_sums_(families.count) {
  FamilySpreads spreads(families.count);
  for (uint32_t run = 0; run < sums_.size(); ++run) {
    const Figures& read = sums_[run].read;
    if (read.read_bytes == 0) continue;
    spreads.add(families.of_run[run], sums_[run].entropies,
                read.entropy_bits / static_cast<double>(read.read_bytes));
  }
  spreads.describe(family_sums_);
  for (uint32_t run = 0; run < sums_.size(); ++run) {
    FamilySums& family = family_sums_[families.of_run[run]];
    correct_entropy(run, family.entropy_gain);
    family.measured.merge(sums_[run].measured);
    add_entropies(family.read, sums_[run].read);
  }
}

/// Some chunks of a tensor are more alike than all are: their entropy is too low by a part of the
/// gain that all of them have.
void ModelEstimate::correct_entropy(uint32_t run, double gain) {
  RunSums& sums = sums_[run];
  if (sums.read.read_bytes == 0 || sums.read.entropy_bits == 0) return;
  const auto read = static_cast<double>(sums.entropies.count);
  const double unread_part = 1 / read - 1 / static_cast<double>(model_.runs()[run].chunk_count);
  if (unread_part <= 0) return;
  const double added = gain * unread_part * static_cast<double>(sums.read.read_bytes);
  const double factor = 1 + added / sums.read.entropy_bits;
  sums.read.entropy_bits *= factor;
  for (FilterEntropy& filter : sums.read.filters) {
    for (StreamEntropy& stream : filter.streams) stream.bits *= factor;
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
        bytes * bytes * family_sums_[family(run)].within_variance * (1 / read - 1 / chunk_count);
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
  variances_of(family_sums_[family(run)], unknown(run)).describe(figures);
  return figures;
}

void ModelEstimate::estimate_entropies(uint32_t run, Figures& figures) const {
  const FamilySums& family = family_sums_[this->family(run)];
  const Figures& from = is_inferred(run) ? family.read : sums_[run].read;
  add_entropies(figures, from);
  figures.read_bytes = sums_[run].read.read_bytes;
  scale_entropies(figures, static_cast<double>(figures.bytes) /
                               static_cast<double>(std::max<uint64_t>(from.read_bytes, 1)));
}

void ModelEstimate::estimate_sizes(uint32_t run, Figures& figures) const {
  const MeasuredSums& own = sums_[run].measured;
  const MeasuredSums& family = family_sums_[this->family(run)].measured;
  const auto chunk_count = static_cast<double>(model_.runs()[run].chunk_count);
  const double expected = figures.chunk_entropy_bits / 8 + chunk_count;
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    const MeasuredSums::Codec& codec = own.codecs[i];
    CodecFigures& out = figures.codecs[i];
    out.stored_bytes = codec.sizes.stored + estimate_stored(family.codecs[i].sizes,
                                                            expected - codec.sizes.expected,
                                                            figures.bytes - codec.sizes.bytes);
    out.measured_bytes = codec.sizes.bytes;
    out.encode_seconds = codec.encode_seconds;
    out.decode_seconds = codec.decode_seconds;
  }
  PackedFigures& packed = figures.packed;
  const uint64_t unknown_bytes = figures.bytes - own.packed.bytes;
  packed.stored_bytes =
      own.packed.stored +
      estimate_stored(family.packed, expected - own.packed.expected, unknown_bytes);
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
