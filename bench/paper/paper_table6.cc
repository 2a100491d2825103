#include "bench/paper/paper_table6.h"

#include <algorithm>
#include <array>

namespace qload::bench {
namespace {

// Section 5.2, Table 6, "Loading Time before and after Compression"; the ratios are the row "Zstd"
// of Table 3, "Compression Performance after Smoothquant". The text beside Table 6 claims "41-55%
// load time reduction with mmap and 40-60% with read"; its cells give 40.8 to 54.9 % and 40.0 to
// 54.5 %. It does not say how the loaded models were quantized: every reduction lies within 1.1
// percentage points of 1 - 1/ratio for the ratios of Table 3.
constexpr std::array kQuoted = {
    QuotedModel{"opt-1.3b", 1.02, 0.46, 0.55, 0.25, 2.22},
    QuotedModel{"opt-6.7b", 4.52, 2.51, 2.46, 1.39, 1.78},
    QuotedModel{"opt-13b", 8.45, 5.0, 4.6, 2.76, 1.66},
    QuotedModel{"opt-30b", 19.17, 11.32, 10.52, 6.28, 1.69},
};

}  // namespace

std::span<const QuotedModel> quoted_table6() { return kQuoted; }

const QuotedModel* find_quoted(std::string_view model) {
  const auto found = std::ranges::find(kQuoted, model, &QuotedModel::model);
  return found == kQuoted.end() ? nullptr : &*found;
}

}  // namespace qload::bench
