#include "bench/experts/moe_model.h"

#include <cstddef>
#include <random>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// The sum of four uniform bytes over 16: a bell of 5.3 bits, as INT8 weights of one scale have.
void fill_bell(std::vector<std::byte>& bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t at = 0; at + 1 < bytes.size(); at += 2) {
    uint64_t word = random();
    for (size_t half = at; half < at + 2; ++half) {
      int sum = 0;
      for (int term = 0; term < 4; ++term, word >>= 8) sum += static_cast<int>(word & 0xFF) - 128;
      bytes[half] = static_cast<std::byte>(sum / 16);
    }
  }
}

std::string header_text(const MoeShape& shape) {
  std::string header = "{";
  uint64_t offset = 0;
  for (uint32_t layer = 0; layer < shape.layers; ++layer) {
    for (uint32_t expert = 0; expert < shape.experts; ++expert) {
      for (const std::string& name : moe_expert_names(layer, expert)) {
        header += text(offset == 0 ? "" : ",", "\"", name, "\":{\"dtype\":\"I8\",\"shape\":[",
                       shape.tensor_bytes / 64, ",64],\"data_offsets\":[", offset, ",",
                       offset + shape.tensor_bytes, "]}");
        offset += shape.tensor_bytes;
      }
    }
  }
  header += "}";
  // Tensors on pages: the plain file is at its best when mapped.
  header.resize((header.size() + 8 + 4095) / 4096 * 4096 - 8, ' ');
  return header;
}

}  // namespace

std::vector<std::string> moe_expert_names(uint32_t layer, uint32_t expert) {
  std::vector<std::string> names;
  for (const char* part : {"gate_proj", "up_proj", "down_proj"}) {
    names.push_back(text("model.layers.", layer, ".mlp.experts.", expert, ".", part, ".weight"));
  }
  return names;
}

Status write_moe_model(const std::filesystem::path& path, const MoeShape& shape) {
  const std::string header = header_text(shape);
  std::vector<std::byte> length(sizeof(uint64_t));
  store_le(length.data(), uint64_t{header.size()});
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {}));
  QLOAD_CHECK(file.write_at(0, length));
  QLOAD_CHECK(file.write_at(length.size(), as_byte_span(header)));
  uint64_t offset = length.size() + header.size();
  std::vector<std::byte> tensor(shape.tensor_bytes);
  const uint64_t tensor_count = uint64_t{3} * shape.layers * shape.experts;
  for (uint64_t number = 0; number < tensor_count; ++number) {
    fill_bell(tensor, number + 1);
    QLOAD_CHECK(file.write_at(offset, tensor));
    offset += tensor.size();
  }
  return file.commit();
}

}  // namespace qload::bench
