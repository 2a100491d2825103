#include "tests/qrun/engine_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "format/base/format_text.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tests/qrun/least_budget.h"

namespace qload::test {

using qrun::WeightMode;

Engine::Engine(const std::filesystem::path& path, const qrun::WeightOptions& weights,
               const qrun::TransformerOptions& options)
    : team_(weights.thread_count) {
  auto file = qrun::ModelFile::open(path);
  EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.error().message());
  file_.emplace(std::move(*file));
  auto facts = qrun::read_model_facts(*file_, {});
  EXPECT_TRUE(facts.ok()) << (facts.ok() ? "" : facts.error().message());
  facts_ = std::move(*facts);
  auto plan = qrun::plan_weights(file_->tensors(), facts_.config);
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message());
  plan_ = std::move(*plan);
  auto source = qrun::open_weights(*file_, plan_, weights);
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  source_ = std::move(*source);
  transformer_.emplace(facts_.config, plan_, *source_, team_, qrun::fastest_row_kernels(), options);
}

std::vector<float> Engine::logits(std::span<const uint32_t> tokens) {
  const auto out = transformer_->forward(tokens);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
  return out.ok() ? std::vector<float>(out->begin(), out->end()) : std::vector<float>();
}

qrun::WeightPlan plan_of(const std::filesystem::path& path) {
  const auto file = qrun::ModelFile::open(path);
  EXPECT_TRUE(file.ok());
  const auto facts = qrun::read_model_facts(*file, {});
  EXPECT_TRUE(facts.ok());
  auto plan = qrun::plan_weights(file->tensors(), facts->config);
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message());
  return std::move(*plan);
}

std::vector<uint32_t> some_tokens(size_t count, uint32_t vocabulary) {
  std::vector<uint32_t> tokens(count);
  for (size_t i = 0; i < count; ++i)
    tokens[i] = static_cast<uint32_t>((i * i * 7 + 3) % vocabulary);
  return tokens;
}

void pack_file(const std::filesystem::path& source, const std::filesystem::path& container) {
  auto opened = open_model_source(source, OpenAs::kDetect);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  PackOptions options;
  options.overwrite = true;
  const auto report = pack_model(*opened, container, options);
  ASSERT_TRUE(report.ok()) << report.error().message();
}

std::vector<WeightForm> every_form(const std::filesystem::path& plain) {
  std::filesystem::path container = plain;
  container += ".qpk";
  pack_file(plain, container);
  std::vector<WeightForm> forms = {
      {plain, {}},
      {plain, {.thread_count = 3}},
      {container, {}},
      {plain, {.mode = WeightMode::kMapped}},
  };
  for (const uint64_t resident : {0u, 20'000u, 10'000'000u}) {
    forms.push_back({plain, {.mode = WeightMode::kRead, .resident_bytes = resident}});
  }
  for (const uint32_t threads : {1u, 3u}) {
    forms.push_back({container, {.mode = WeightMode::kPacked, .thread_count = threads}});
  }
  const uint64_t least = least_stream_budget(container);
  for (const uint64_t more : {0u, 50'000u, 10'000'000u}) {
    forms.push_back({container, {.mode = WeightMode::kStreamed, .budget_bytes = least + more}});
  }
  return forms;
}

std::vector<float> expect_same_logits(const std::filesystem::path& plain,
                                      std::span<const uint32_t> tokens,
                                      const qrun::TransformerOptions& options) {
  const std::vector<WeightForm> forms = every_form(plain);
  const std::vector<float> logits =
      Engine(forms.front().path, forms.front().options, options).logits(tokens);
  for (size_t i = 1; i < forms.size(); ++i) {
    EXPECT_EQ(Engine(forms[i].path, forms[i].options, options).logits(tokens), logits)
        << "form " << i;
  }
  return logits;
}

void expect_near(std::span<const float> logits, std::span<const double> expected, double share) {
  ASSERT_EQ(logits.size(), expected.size());
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0.1);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(logits[i], expected[i], share * largest) << "token " << i;
  }
}

}  // namespace qload::test
