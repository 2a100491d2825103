// Which tensors a report shows, and in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

enum class RowOrder : uint8_t {
  kLoad,  ///< As they load.
  kName,
  kSize,     ///< Largest first.
  kEntropy,  ///< Fewest bits of entropy for each stored bit first.
  kRatio,    ///< Largest packed ratio first.
  kSaved,    ///< Most bytes saved by packing first.
};

struct RowChoice {
  std::string pattern;  ///< Of names, as name_matches() takes it.
  RowOrder order = RowOrder::kLoad;
  uint64_t limit = 0;  ///< 0: all.
};

/// Numbers of analysis.tensors.
std::vector<uint32_t> choose_rows(const ModelAnalysis& analysis, const RowChoice& choice);

/// "7", of a second stack of layers "1:7", "-" for what is in none.
std::string layer_name(uint32_t stack, uint32_t layer);

/// The filter whose streams have the least entropy among those that suit all tensors; null without
/// bytes.
const FilterEntropy* best_filter(const Figures& figures);
/// "7.97 2.61": bits per byte of each stream.
std::string stream_entropies(const FilterEntropy& filter, int decimals);

}  // namespace qload::analyze
