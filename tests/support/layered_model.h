// A container with layers of uneven sizes, for streams.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "qload/stream.h"
#include "tests/support/fixture_model.h"
#include "tests/support/packed_model.h"
#include "tests/support/test_files.h"

namespace qload::test {

/// "embed" (I8, rows of 1000, 3 MB), `layers` layers of "layers.N.wide" (I8 coded, N-dependent, 0.5
/// to 1.5 MB), "layers.N.flat" (raw, 300,000 bytes) and "layers.N.norm" (F32, 1 KB), then
/// "lm_head" (I8, 1 MB) and an empty "nothing".
inline PackedModel write_layered_model(const TempDirectory& directory, uint32_t layers = 6,
                                       const std::string& name = "layered.qpk") {
  FixtureModel model;
  const auto coded = [](std::string tensor, uint64_t rows, uint64_t columns, uint64_t seed) {
    FixtureTensor made;
    made.name = std::move(tensor);
    made.data = gaussian_int8(rows * columns, 12.0, seed);
    made.dtype = DType::kI8;
    made.shape = {rows, columns};
    made.chunk_bytes = 256 * columns;
    made.codec = CodecId::kLaneHuffman;
    return made;
  };
  model.tensors.push_back(coded("embed", 3000, 1000, 1));
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    const auto place = [&](FixtureTensor tensor) {
      tensor.stack = 0;
      tensor.layer = layer;
      model.tensors.push_back(std::move(tensor));
    };
    place(coded(prefix + "wide", 500 + 500 * (layer % 3), 1000, 10 + layer));
    FixtureTensor flat;
    flat.name = prefix + "flat";
    flat.data = random_bytes(300'000, 100 + layer);
    flat.codec = CodecId::kStore;
    place(std::move(flat));
    FixtureTensor norm;
    norm.name = prefix + "norm";
    norm.data = random_bytes(1024, 200 + layer);
    norm.dtype = DType::kF32;
    norm.shape = {256};
    place(std::move(norm));
  }
  model.tensors.push_back(coded("lm_head", 1000, 1000, 2));
  FixtureTensor nothing;
  nothing.name = "nothing";
  model.tensors.push_back(std::move(nothing));

  PackedModel packed;
  packed.path = directory.path() / name;
  for (const FixtureTensor& tensor : model.tensors) packed.tensors[tensor.name] = tensor.data;
  write_container(packed.path, model);
  return packed;
}

/// Checks every byte of a layer against the model.
inline void expect_layer(const Layer& layer, const PackedModel& model) {
  for (const LayerTensor& tensor : layer.tensors()) {
    const auto& whole = model.tensors.at(std::string(tensor.info->name));
    ASSERT_LE(tensor.offset + tensor.data.size(), whole.size()) << tensor.info->name;
    EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(),
                           whole.begin() + static_cast<std::ptrdiff_t>(tensor.offset)))
        << tensor.info->name << " from " << tensor.offset << " in pass " << layer.pass();
  }
}

}  // namespace qload::test
