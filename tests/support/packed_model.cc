#include "tests/support/packed_model.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/base/format_text.h"
#include "format/pack/pack.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {

PackedModel pack_loader_fixture(const TempDirectory& directory, uint64_t chunk_bytes) {
  PackedModel model;
  SafetensorsBuilder builder;
  const auto add = [&](const std::string& name, const char* dtype, std::vector<uint64_t> shape,
                       std::vector<std::byte> bytes) {
    model.tensors[name] = bytes;
    builder.add(name, dtype, std::move(shape), std::move(bytes));
  };
  add("model.embed_tokens.weight", "I8", {2000, 1024}, gaussian_int8(2000 * 1024, 9.0, 1));
  for (uint64_t layer = 0; layer < 3; ++layer) {
    const std::string prefix = text("model.layers.", layer, ".");
    add(prefix + "attn.weight", "I8", {1024, 700}, gaussian_int8(1024 * 700, 5.0, 10 + layer));
    add(prefix + "raw.weight", "U8", {1'000'003 + layer}, random_bytes(1'000'003 + layer, layer));
    add(prefix + "mlp.weight", "BF16", {300, 1000}, gaussian_bf16(300'000, 0.02, 20 + layer));
    add(prefix + "norm.weight", "F32", {1024}, gaussian_f32(1024, 1.0, 30 + layer));
    for (uint64_t i = 0; i < 40; ++i) {
      add(text(prefix, "tiny.", i), "U8", {i}, random_bytes(i, 100 + i));
    }
  }
  add("model.norm.weight", "F32", {400, 1024}, gaussian_f32(400 * 1024, 1.0, 40));
  add("lm_head.raw", "U8", {3u << 20}, random_bytes(3u << 20, 41));
  add("lm_head.tied", "I8", {2000, 1024}, gaussian_int8(2000 * 1024, 9.0, 1));
  add("lm_head.raw_twin", "U8", {3u << 20}, random_bytes(3u << 20, 41));
  add("lm_head.zeros", "F16", {1 << 20}, std::vector<std::byte>(2u << 20));
  write_file(directory / "fixture.safetensors", builder.build());

  model.path = directory / "fixture.qpk";
  auto source = open_model_source(directory / "fixture.safetensors", OpenAs::kDetect);
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  if (!source.ok()) return model;
  PackOptions options;
  options.chunk_bytes = chunk_bytes;
  options.threads = 2;
  const auto report = pack_model(*source, model.path, options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message());
  return model;
}

void expect_weights(const Weights& weights, const PackedModel& model, bool whole) {
  if (whole) {
    EXPECT_EQ(weights.tensors().size(), model.tensors.size());
  }
  for (const TensorView& view : weights.tensors()) {
    const auto found = model.tensors.find(std::string(view.info->name));
    ASSERT_NE(found, model.tensors.end()) << view.info->name;
    ASSERT_TRUE(std::ranges::equal(view.data, found->second)) << view.info->name;
    const TensorView* again = weights.find(view.info->name);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->data.data(), view.data.data());
  }
  EXPECT_EQ(weights.find("no such tensor"), nullptr);
}

}  // namespace qload::test
