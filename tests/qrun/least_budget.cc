#include "tests/qrun/least_budget.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "format/base/try.h"
#include "tools/qrun/model_facts.h"
#include "tools/qrun/weight_source.h"

namespace qload::test {
namespace {

/// The number that stands before `words`; 0 when there is none.
uint64_t number_before(std::string_view message, std::string_view words) {
  const std::string_view before = message.substr(0, message.find(words));
  const size_t space = before.rfind(' ');
  if (space == std::string_view::npos) return 0;
  return std::strtoull(std::string(before.substr(space + 1)).c_str(), nullptr, 10);
}

Status open_with_budget(const std::filesystem::path& container, const std::filesystem::path& config,
                        uint64_t budget_bytes) {
  QLOAD_TRY(const auto file, qrun::ModelFile::open(container));
  QLOAD_TRY(const auto facts, qrun::read_model_facts(file, {.config = config}));
  QLOAD_TRY(const auto plan, qrun::plan_weights(file.tensors(), facts.config));
  const qrun::WeightOptions options{.mode = qrun::WeightMode::kStreamed,
                                    .budget_bytes = budget_bytes};
  const auto source = qrun::open_weights(file, plan, options);
  return source.ok() ? Status(Ok{}) : Status(source.error());
}

}  // namespace

uint64_t least_stream_budget(const std::filesystem::path& container,
                             const std::filesystem::path& config) {
  const Status refused = open_with_budget(container, config, 1);
  EXPECT_FALSE(refused.ok());
  if (refused.ok()) return 0;
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall) << refused.error().message();
  const uint64_t least = number_before(refused.error().message(), " bytes would do");
  EXPECT_FALSE(open_with_budget(container, config, least - 1).ok());
  return least;
}

}  // namespace qload::test
