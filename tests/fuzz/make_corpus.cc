// Writes the seeds of the source readers' fuzz targets: make_fuzz_corpus DIRECTORY.
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace {

namespace fs = std::filesystem;
using namespace qload::test;  // NOLINT: builders on every line.

void write_safetensors(const fs::path& directory) {
  fs::create_directories(directory);
  write_file(directory / "empty", safetensors_file("{}", {}));
  write_file(directory / "metadata", SafetensorsBuilder().metadata("format", "pt").build());
  SafetensorsBuilder types;
  const std::pair<std::string_view, size_t> kTypes[] = {
      {"BOOL", 2},        {"F4", 1},      {"F6_E2M3", 3}, {"F6_E3M2", 3}, {"U8", 2},
      {"I8", 2},          {"F8_E5M2", 2}, {"F8_E4M3", 2}, {"F8_E8M0", 2}, {"F8_E4M3FNUZ", 2},
      {"F8_E5M2FNUZ", 2}, {"I16", 4},     {"U16", 4},     {"F16", 4},     {"BF16", 4},
      {"I32", 8},         {"U32", 8},     {"F32", 8},     {"C64", 16},    {"F64", 16},
      {"I64", 16},        {"U64", 16},
  };
  for (auto [name, bytes] : kTypes) {
    const uint64_t elements = name.starts_with("F6") ? 4 : 2;
    types.add("t." + std::string(name), name, {1, elements}, random_bytes(bytes, 1));
  }
  write_file(directory / "types", types.build());
  SafetensorsBuilder layers;
  layers.header_alignment(1).metadata("a\"b\\", "\n");
  layers.add("model.layers.0.weight", "I8", {4, 4}, gaussian_int8(16, 8, 1));
  layers.add("model.layers.0.scale", "F32", {}, gaussian_f32(1, 1, 1));
  layers.add("empty", "F32", {0, 3}, {});
  layers.add("model.layers.1.weight", "BF16", {3}, gaussian_bf16(3, 1, 1));
  write_file(directory / "layers", layers.build());
  write_file(directory / "unknown_field",
             safetensors_file(R"({"t":{"x":[{"y":[1,-2.5,null,true]}],"dtype":"U8","shape":[2],)"
                              R"("data_offsets":[0,2]}})",
                              random_bytes(2, 1)));
}

void write_gguf(const fs::path& directory) {
  fs::create_directories(directory);
  write_file(directory / "empty", GgufBuilder().build());
  write_file(directory / "version2", GgufBuilder().version(2).add_string("k", "v").build());
  GgufBuilder values;
  const uint32_t kWidths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  for (uint32_t type = 0; type < std::size(kWidths); ++type) {
    if (kWidths[type] == 0) continue;
    values.add_value("k" + std::to_string(type), type, random_bytes(kWidths[type], type));
    values.add_array("a" + std::to_string(type), static_cast<GgufValueType>(type), 2,
                     random_bytes(2 * kWidths[type], type));
  }
  values.add_string_array("strings", {"one", "", "three"});
  write_file(directory / "values", values.build());
  GgufBuilder tensors;
  tensors.alignment(16).add_string("general.architecture", "llama");
  tensors.add_tensor("token_embd.weight", 8, {32, 2}, random_bytes(68, 1));
  tensors.add_tensor("blk.0.attn_norm.weight", 0, {5}, gaussian_f32(5, 1, 1));
  tensors.add_tensor("blk.0.ffn.weight", 2, {64, 1, 2}, random_bytes(72, 1));
  tensors.add_tensor("empty", 1, {0, 7}, {});
  tensors.add_tensor("scalar", 28, {}, random_bytes(8, 1));
  write_file(directory / "tensors", tensors.pad_end(false).build());
  GgufBuilder blocks;
  blocks.add_tensor("q6_k", 14, {256}, random_bytes(210, 1));
  blocks.add_tensor("iq1_m", 29, {256}, random_bytes(56, 1));
  blocks.add_tensor("tq1_0", 34, {256}, random_bytes(54, 1));
  blocks.add_tensor("mxfp4", 39, {32}, random_bytes(17, 1));
  blocks.add_tensor("nvfp4", 40, {64}, random_bytes(36, 1));
  write_file(directory / "blocks", blocks.build());
  GgufBuilder split;
  split.add_u8("split.no", 0).add_u8("split.count", 2).add_i32("split.tensors.count", 1);
  write_file(directory / "split", split.add_tensor("t", 24, {3}, random_bytes(3, 1)).build());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_fuzz_corpus DIRECTORY\n");
    return 2;
  }
  write_safetensors(fs::path(argv[1]) / "safetensors");
  write_gguf(fs::path(argv[1]) / "gguf");
  return 0;
}
