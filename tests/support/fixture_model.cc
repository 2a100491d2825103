#include "tests/support/fixture_model.h"

#include "tests/support/container_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::test {

void write_container(const std::filesystem::path& path, const FixtureModel& model) {
  SampleWriter writer(path, model.options);
  FileEntry file;
  file.path = model.path;
  file.format = 1;  // SourceFormat::kSafetensors
  file.header_bytes = model.header.size();
  file.bytes = model.header.size();
  for (const auto& tensor : model.tensors) file.bytes += tensor.data.size();
  writer.add_file(file);

  uint64_t file_offset = model.header.size();
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const FixtureTensor& tensor = model.tensors[i];
    const bool continues = i > 0 && model.tensors[i - 1].stack == tensor.stack &&
                           model.tensors[i - 1].layer == tensor.layer;
    if (!continues) writer.begin_group(tensor.stack, tensor.layer);
    TensorEntry entry;
    entry.name = tensor.name;
    entry.dtype = tensor.dtype;
    entry.shape = tensor.shape.empty() ? std::vector<uint64_t>{tensor.data.size()} : tensor.shape;
    entry.file_offset = file_offset;
    if (tensor.duplicate_of) {
      writer.duplicate(entry, tensor.data.size(), *tensor.duplicate_of);
    } else {
      writer.tensor(entry, tensor.data, tensor.chunk_bytes, tensor.filter, tensor.codec);
    }
    file_offset += tensor.data.size();
  }
  writer.kept(0, model.header);
  writer.finish();
}

FixtureModel small_fixture_model() {
  FixtureModel model;
  model.header = to_bytes("a header of a source file, kept as it is");
  auto add = [&model](std::string name, DType dtype, std::vector<uint64_t> shape,
                      std::vector<std::byte> data) {
    FixtureTensor tensor;
    tensor.name = std::move(name);
    tensor.dtype = dtype;
    tensor.shape = std::move(shape);
    tensor.data = std::move(data);
    model.tensors.push_back(std::move(tensor));
  };
  add("embed.weight", DType::kI8, {1024, 512}, gaussian_int8(1024 * 512, 14.0, 1));
  for (uint32_t layer = 0; layer < 2; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    add(prefix + "up", DType::kBF16, {256, 300}, gaussian_bf16(256 * 300, 0.02, 2));
    model.tensors.back().filter = FilterId::kBytePlanes2;
    add(prefix + "down", DType::kU8, {1000, 300}, random_bytes(300000, 3 + layer));
    for (size_t i = model.tensors.size() - 2; i < model.tensors.size(); ++i) {
      model.tensors[i].stack = 0;
      model.tensors[i].layer = layer;
    }
  }
  add("empty", DType::kF32, {0, 4}, {});
  add("zero", DType::kF32, {25, 10}, std::vector<std::byte>(1000));
  add("norm", DType::kF32, {64}, gaussian_f32(64, 1.0, 9));
  return model;
}

}  // namespace qload::test
