#include "bench/open/many_tensors.h"

#include <algorithm>
#include <random>
#include <string>

#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr uint64_t kTensorsPerLayer = 1024;
constexpr uint64_t kSeed = 1;

// The sum of four uniform bytes over 8: a bell that compresses a little.
std::vector<std::byte> bell_bytes(uint64_t count) {
  std::mt19937_64 random(kSeed);
  std::vector<std::byte> bytes(count);
  for (uint64_t at = 0; at < count; at += 2) {
    uint64_t word = random();
    for (uint64_t half = at; half < std::min(at + 2, count); ++half) {
      int sum = 0;
      for (int term = 0; term < 4; ++term, word >>= 8) sum += static_cast<int>(word & 0xFF) - 128;
      bytes[half] = static_cast<std::byte>(sum / 8);
    }
  }
  return bytes;
}

std::string header_text(uint64_t count) {
  std::string header = "{";
  for (uint64_t number = 0; number < count; ++number) {
    const uint64_t begin = number * kTinyTensorBytes;
    header += text(number == 0 ? "" : ",", "\"", tiny_tensor_name(number),
                   "\":{\"dtype\":\"I8\",\"shape\":[16,16],\"data_offsets\":[", begin, ",",
                   begin + kTinyTensorBytes, "]}");
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

std::string tiny_tensor_name(uint64_t number) {
  return text("model.layers.", number / kTensorsPerLayer, ".mlp.experts.",
              number % kTensorsPerLayer, ".scale");
}

Result<std::vector<std::byte>> write_many_tensors(const std::filesystem::path& path,
                                                  uint64_t count) {
  std::vector<std::byte> data = bell_bytes(count * kTinyTensorBytes);
  const std::string header = header_text(count);
  std::vector<std::byte> length(sizeof(uint64_t));
  store_le(length.data(), uint64_t{header.size()});
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {}));
  QLOAD_CHECK(file.write_at(0, length));
  QLOAD_CHECK(file.write_at(length.size(), as_byte_span(header)));
  QLOAD_CHECK(file.write_at(length.size() + header.size(), data));
  QLOAD_CHECK(file.commit());
  return data;
}

}  // namespace qload::bench
