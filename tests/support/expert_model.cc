#include "tests/support/expert_model.h"

#include <gtest/gtest.h>

#include "format/base/format_text.h"
#include "format/pack/pack.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {

std::vector<std::string> expert_names(uint32_t layer, uint32_t expert) {
  std::vector<std::string> names;
  for (const char* part : {"gate", "up", "down"}) {
    names.push_back(text("model.layers.", layer, ".mlp.experts.", expert, ".", part, ".weight"));
  }
  return names;
}

std::vector<std::string_view> as_views(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

PackedModel pack_expert_model(const TempDirectory& directory, const ExpertModelShape& shape) {
  PackedModel model;
  SafetensorsBuilder builder;
  const auto add = [&](const std::string& name, std::vector<std::byte> bytes) {
    model.tensors[name] = bytes;
    const uint64_t count = bytes.size();
    builder.add(name, "I8", {count}, std::move(bytes));
  };
  uint64_t seed = 0;
  for (uint32_t layer = 0; layer < shape.layers; ++layer) {
    add(text("model.layers.", layer, ".norm.weight"), random_bytes(100, ++seed));
    for (uint32_t expert = 0; expert < shape.experts; ++expert) {
      for (const std::string& name : expert_names(layer, expert)) {
        add(name, gaussian_int8(shape.tensor_bytes, 9.0, ++seed));
      }
    }
  }
  write_file(directory / "experts.safetensors", builder.build());
  model.path = directory / "experts.qpk";
  auto source = open_model_source(directory / "experts.safetensors", OpenAs::kDetect);
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  if (!source.ok()) return model;
  PackOptions options;
  options.threads = 2;
  const auto report = pack_model(*source, model.path, options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message());
  return model;
}

}  // namespace qload::test
