// A model file, opened, with everything that a transformer borrows; and the same model in every
// form in which weights can come.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tools/qrun/model_facts.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/thread_team.h"
#include "tools/qrun/transformer.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::test {

inline constexpr qrun::TransformerOptions kEightyPositions{.position_count = 80};

/// Fails the running test when anything of it fails.
class Engine {
 public:
  Engine(const std::filesystem::path& path, const qrun::WeightOptions& weights,
         const qrun::TransformerOptions& options = kEightyPositions);

  qrun::Transformer& transformer() { return *transformer_; }
  const qrun::WeightSource& source() const { return *source_; }
  const qrun::WeightPlan& plan() const { return plan_; }
  const qrun::ModelConfig& config() const { return facts_.config; }
  /// The logits after the last of `tokens`, which come next.
  std::vector<float> logits(std::span<const uint32_t> tokens);

 private:
  std::optional<qrun::ModelFile> file_;
  qrun::ModelFacts facts_;
  qrun::WeightPlan plan_;
  std::unique_ptr<qrun::WeightSource> source_;
  qrun::ThreadTeam team_;
  std::optional<qrun::Transformer> transformer_;
};

/// The plan of a model that carries its configuration.
qrun::WeightPlan plan_of(const std::filesystem::path& path);

/// `count` tokens of a vocabulary; 70 are more than one pass.
std::vector<uint32_t> some_tokens(size_t count, uint32_t vocabulary);

void pack_file(const std::filesystem::path& source, const std::filesystem::path& container);

/// A way to bring the weights of a plain file, or of its container.
struct WeightForm {
  std::filesystem::path path;
  qrun::WeightOptions options;
};

/// All of them, with some numbers of threads and budgets. Packs `plain` beside it.
std::vector<WeightForm> every_form(const std::filesystem::path& plain);

/// The logits after `tokens`, the same bits in every form.
std::vector<float> expect_same_logits(const std::filesystem::path& plain,
                                      std::span<const uint32_t> tokens,
                                      const qrun::TransformerOptions& options = kEightyPositions);

/// Within a share of the largest: by default what float sums of a few hundred terms lose in two
/// layers.
void expect_near(std::span<const float> logits, std::span<const double> expected,
                 double share = 2e-5);

}  // namespace qload::test
