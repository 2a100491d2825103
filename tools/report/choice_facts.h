// Asks the default recipe about the chunks of a container: what it compares, what it chooses.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "format/container/container_reader.h"
#include "format/pack/recipe.h"
#include "qload/result.h"
#include "tools/report/choice_reason.h"

namespace qload::tools {

/// A plan in words: "raw", "lane_huffman", "float_planes_2[store,zstd -1]"; "zstd" without a level
/// codes literals only.
std::string plan_text(const RecipeChooser::Plan& plan);

/// Explains tensors of one container. Holds one chunk, decoded and encoded again, and the recipe's
/// working memory. One thread at a time; the container outlives it.
class ChoiceExplainer {
 public:
  explicit ChoiceExplainer(const Container& container);

  /// Decodes the chunks of `tensor` (checksums are verified) and lets the default recipe choose for
  /// each. `on_chunk` gets the decoded bytes of every chunk done. Fails as read_chunk does, and
  /// with kCancelled on request.
  Result<ChoiceTotals> explain(const TensorRecord& tensor,
                               const std::function<void(uint64_t)>& on_chunk,
                               const std::stop_token& stop);

 private:
  void add_chunk(const ChunkForm& form, DType dtype, ContentKind kind, ChoiceTotals& totals);
  void add_entropy(FilterId filter, ChoiceTotals& totals);
  void add_plans(const RecipeChoice& choice, const ChunkForm& form, ChoiceTotals& totals);

  const Container& container_;
  const RecipeOptions options_;
  RecipeChooser chooser_;
  DecodeContext decoder_;
  EncodeContext encoder_;
  std::vector<std::byte> decoded_;
  std::vector<std::byte> stored_;
  std::vector<std::byte> scratch_;
};

}  // namespace qload::tools
