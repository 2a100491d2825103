#include "tools/analyze/analysis_rows.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "tools/report/name_pattern.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

/// What rows are sorted by, largest first.
double rank(const TensorAnalysis& tensor, RowOrder order) {
  const Figures& figures = tensor.figures;
  const auto bytes = static_cast<double>(figures.bytes);
  switch (order) {
    case RowOrder::kSize:
      return bytes;
    case RowOrder::kEntropy:
      return bytes > 0 ? -figures.entropy_bits / bytes : -8;
    case RowOrder::kRatio:
      return ratio(figures.bytes, figures.packed.stored_bytes).value_or(0);
    case RowOrder::kSaved:
      return bytes - figures.packed.stored_bytes;
    default:
      return 0;
  }
}

}  // namespace

std::vector<uint32_t> choose_rows(const ModelAnalysis& analysis, const RowChoice& choice) {
  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < analysis.tensors.size(); ++i) {
    if (tools::name_matches(choice.pattern, analysis.tensors[i].name)) rows.push_back(i);
  }
  if (choice.order == RowOrder::kName) {
    std::ranges::sort(rows, {},
                      [&](uint32_t i) -> const std::string& { return analysis.tensors[i].name; });
  } else {
    std::ranges::stable_sort(rows, std::ranges::greater(),
                             [&](uint32_t i) { return rank(analysis.tensors[i], choice.order); });
  }
  if (choice.limit > 0 && rows.size() > choice.limit) rows.resize(choice.limit);
  return rows;
}

std::string layer_name(uint32_t stack, uint32_t layer) {
  if (layer == kNoLayer) return "-";
  return stack == 0 ? std::to_string(layer) : text(stack, ":", layer);
}

const FilterEntropy* best_filter(const Figures& figures) {
  const FilterEntropy* best = nullptr;
  for (const FilterEntropy& filter : figures.filters) {
    const bool covers = filter.bytes() == figures.bytes;  // All tensors of a group.
    if (covers && (best == nullptr || filter.bits() < best->bits())) best = &filter;
  }
  return best;
}

std::string stream_entropies(const FilterEntropy& filter, int decimals) {
  std::string out;
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    if (i > 0) out += ' ';
    out += tools::format_fixed(filter.streams[i].bits_per_byte(), decimals);
  }
  return out;
}

}  // namespace qload::analyze
