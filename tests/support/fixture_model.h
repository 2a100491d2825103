// Containers described tensor by tensor, so that a test decides what is raw and what is coded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "format/container/container_writer.h"
#include "qload/tensor.h"

namespace qload::test {

/// One tensor of a fixture. Bytes that random_bytes made stay raw whatever the codec.
struct FixtureTensor {
  std::string name;
  std::vector<std::byte> data;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape = {};  ///< Empty: {data.size()}, which suits one-byte types.
  uint32_t stack = kNoLayer;
  uint32_t layer = kNoLayer;
  uint64_t chunk_bytes = 256u << 10;
  CodecId codec = CodecId::kZstd;
  FilterId filter = FilterId::kNone;
  std::optional<uint32_t> duplicate_of = {};  ///< An earlier tensor whose chunks hold `data`.
};

struct FixtureModel {
  std::vector<FixtureTensor> tensors;  ///< In load order; neighbours of one layer form a group.
  std::string path = "model.safetensors";
  std::vector<std::byte> header;
  ContainerWriterOptions options = {};
};

/// Writes `model` as a container of one safetensors file: the header, then the tensors. Fails
/// the running test when the writer does.
void write_container(const std::filesystem::path& path, const FixtureModel& model);

/// A model for API tests, about 1.5 MB: "embed.weight" (I8, coded, 512 KiB), layers 0 and 1 with
/// "layers.N.up" (BF16, planes) and "layers.N.down" (U8, raw, 300,000 bytes), then "empty" (0
/// bytes), "zero" (F32, constant) and "norm" (F32, 64 elements). The header is 40 bytes of text.
FixtureModel small_fixture_model();

}  // namespace qload::test
