#include "tools/report/choice_facts.h"

#include <algorithm>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/base/histogram.h"
#include "format/base/try.h"
#include "format/input/model_source.h"

namespace qload::tools {
namespace {

const Filter& filter_of(FilterId id) {
  const Filter* filter = find_filter(id);  // The index was proven.
  QLOAD_ASSERT(filter != nullptr);
  return *filter;
}

std::string stream_text(const StreamRecipe& recipe) {
  const Codec* codec = find_codec(recipe.codec);
  QLOAD_ASSERT(codec != nullptr);
  std::string out(codec->name);
  if (recipe.codec == CodecId::kZstd && !recipe.parameters.literals_only) {
    out += text(" -", recipe.parameters.level);
  }
  return out;
}

bool any_zstd(const ChunkForm& form) {
  return std::any_of(form.streams.begin(), form.streams.begin() + form.stream_count,
                     [](const StreamForm& stream) { return stream.codec == CodecId::kZstd; });
}

/// True when `plan` is the one that led to `form`. Only match search has a rival, which codes by
/// histograms alone and so never by zstd.
bool is_plan_of(const RecipeChooser::Plan& plan, const RecipeChoice& choice,
                const ChunkForm& form) {
  if (form.stored_raw()) return plan.kind == PlanKind::kRaw;
  if (plan.filter != form.filter || plan.kind == PlanKind::kRaw) return false;
  const bool matched = choice.rival && any_zstd(form);
  return matched == (plan.kind == PlanKind::kMatch);
}

/// True when both have the same filter and codecs, and as many bytes.
bool same_form(const ChunkForm& a, const ChunkForm& b) {
  return a.stored_bytes == b.stored_bytes && form_text(a) == form_text(b);
}

}  // namespace

std::string plan_text(const RecipeChooser::Plan& plan) {
  if (plan.kind == PlanKind::kRaw) return "raw";
  if (plan.filter == FilterId::kNone) return stream_text(plan.streams[0].recipe);
  const Filter& filter = filter_of(plan.filter);
  std::string out(filter.name);
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    out += text(i == 0 ? "[" : ",", stream_text(plan.streams[i].recipe));
  }
  return out + "]";
}

ChoiceExplainer::ChoiceExplainer(const Container& container)
    : container_(container), chooser_(options_) {}

Result<ChoiceTotals> ChoiceExplainer::explain(const TensorRecord& tensor,
                                              const std::function<void(uint64_t)>& on_chunk,
                                              const std::stop_token& stop) {
  const Index& index = container_.index;
  const bool raw_file =
      static_cast<SourceFormat>(index.files()[tensor.file].format) == SourceFormat::kRaw;
  const ContentKind kind = raw_file ? ContentKind::kRaw : ContentKind::kTensor;
  ChoiceTotals totals;
  for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "stopped on request");
    decoded_.resize(chunk.decoded_bytes);
    QLOAD_CHECK(read_chunk(container_, chunk, decoder_, stored_, decoded_));
    add_chunk(index.form(chunk), static_cast<DType>(tensor.dtype), kind, totals);
    on_chunk(chunk.decoded_bytes);
  }
  return totals;
}

void ChoiceExplainer::add_chunk(const ChunkForm& form, DType dtype, ContentKind kind,
                                ChoiceTotals& totals) {
  totals.chunk_count += 1;
  totals.decoded_bytes += form.decoded_bytes;
  totals.stored_bytes += form.stored_bytes;
  ++totals.forms[form_text(form)];
  add_entropy(form.filter, totals);
  const RecipeChoice choice = chooser_.choose(dtype, kind, decoded_);
  const ChunkForm by_default =
      encode_by_choice(encoder_, decoded_, choice, options_.device, stored_, scratch_);
  totals.default_stored_bytes += by_default.stored_bytes;
  ++totals.default_forms[form_text(by_default)];
  if (!same_form(form, by_default)) totals.other_choice_count += 1;
  add_plans(choice, by_default, totals);
}

void ChoiceExplainer::add_entropy(FilterId filter, ChoiceTotals& totals) {
  const uint64_t plain_bits = order_0_bits(count_bytes(decoded_));
  totals.entropy_bits += plain_bits;
  auto& streams = totals.streams[filter];
  if (filter == FilterId::kNone) {
    streams[0].bytes += decoded_.size();
    streams[0].entropy_bits += plain_bits;
    return;
  }
  const Filter& split = filter_of(filter);
  stored_.resize(decoded_.size());
  std::array<std::span<std::byte>, kStreamCountMax> spans;
  size_t offset = 0;
  for (uint32_t i = 0; i < split.stream_count; ++i) {
    spans[i] = std::span(stored_).subspan(offset, split.stream_bytes(decoded_.size(), i));
    offset += spans[i].size();
  }
  split.split(decoded_, std::span(spans).first(split.stream_count));
  for (uint32_t i = 0; i < split.stream_count; ++i) {
    if (spans[i].empty()) continue;
    streams[i].bytes += spans[i].size();
    streams[i].entropy_bits += order_0_bits(count_bytes(spans[i]));
  }
}

void ChoiceExplainer::add_plans(const RecipeChoice& choice, const ChunkForm& form,
                                ChoiceTotals& totals) {
  // Estimates are those of the sample: a chunk weighs as much as it has bytes.
  const auto chunk_bytes = static_cast<double>(decoded_.size());
  const double raw_cost = chooser_.plans().front().cost;
  const TargetDevice& device = options_.device;
  for (const RecipeChooser::Plan& plan : chooser_.plans()) {
    const double scale = chunk_bytes / static_cast<double>(plan.sample_bytes);
    const double decode = decode_seconds(device, plan) / device.decode_threads;
    PlanTotals& sums = totals.plan(plan.kind, plan.filter);
    ++sums.names[plan_text(plan)];
    sums.chunk_count += 1;
    sums.chosen_count += is_plan_of(plan, choice, form);
    sums.decoded_bytes += chunk_bytes;
    sums.stored_bytes += scale * static_cast<double>(plan.stored_bytes);
    sums.decode_seconds += scale * decode;
    sums.read_seconds += scale * (plan.cost - device.decode_weight * decode);
    sums.cost += scale * plan.cost;
    sums.raw_cost += scale * raw_cost;
  }
}

}  // namespace qload::tools
