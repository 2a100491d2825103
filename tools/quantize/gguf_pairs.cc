#include "tools/quantize/gguf_pairs.h"

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"

namespace qload::quantize {
namespace {

// gguf.h, enum gguf_type, and the bytes of a value; 0 for text and arrays.
constexpr uint32_t kTextType = 8;
constexpr uint32_t kArrayType = 9;
constexpr uint32_t kTypeCount = 13;
constexpr uint64_t kTypeBytes[kTypeCount] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
constexpr size_t kCountsOffset = 8;  // After magic and version.

/// Steps over one value; false when the header ends before.
bool skip_value(ByteReader& reader, uint32_t type) {
  if (type == kTextType) {
    const auto bytes = reader.read<uint64_t>();
    return bytes && reader.read_bytes(*bytes);
  }
  return type < kTypeCount && kTypeBytes[type] > 0 && reader.read_bytes(kTypeBytes[type]);
}

bool skip_array(ByteReader& reader) {
  const auto type = reader.read<uint32_t>();
  const auto count = reader.read<uint64_t>();
  if (!type || !count || *type >= kTypeCount || *type == kArrayType) return false;
  if (*type != kTextType) {
    const auto bytes = checked_multiply(*count, kTypeBytes[*type]);
    return bytes && reader.read_bytes(*bytes);
  }
  for (uint64_t i = 0; i < *count; ++i) {
    if (!skip_value(reader, kTextType)) return false;
  }
  return true;
}

bool read_pair(ByteReader& reader, std::span<const std::byte> header, GgufPair& pair) {
  const uint64_t begin = reader.offset();
  const auto key_bytes = reader.read<uint64_t>();
  if (!key_bytes) return false;
  const auto key = reader.read_bytes(*key_bytes);
  const auto type = reader.read<uint32_t>();
  if (!key || !type) return false;
  if (*type == kArrayType ? !skip_array(reader) : !skip_value(reader, *type)) return false;
  pair = {as_text(*key), header.subspan(begin, reader.offset() - begin)};
  return true;
}

}  // namespace

Result<std::vector<GgufPair>> list_gguf_pairs(std::span<const std::byte> header) {
  ByteReader reader(header);
  const auto corrupt = [&] {
    return Error(ErrorCode::kCorrupt, text("offset ", reader.offset(),
                                           ": the GGUF header is not what it was when opened"));
  };
  if (!reader.read_bytes(kCountsOffset) || !reader.read<uint64_t>()) return corrupt();
  const auto count = reader.read<uint64_t>();
  if (!count) return corrupt();
  std::vector<GgufPair> pairs;
  for (uint64_t i = 0; i < *count; ++i) {
    GgufPair pair;
    if (!read_pair(reader, header, pair)) return corrupt();
    pairs.push_back(pair);
  }
  return pairs;
}

}  // namespace qload::quantize
