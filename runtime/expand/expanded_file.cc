#include "runtime/expand/expanded_file.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/index.h"

namespace qload::internal {

namespace {

/// Over name, offset and size of each tensor, in load order.
Digest layout_digest(const ModelState& model, const TensorLayout& layout) {
  DigestStream digest;
  const auto add = [&](uint64_t number) {
    std::byte bytes[sizeof number];
    store_le(bytes, number);
    digest.update(bytes);
  };
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    add(model.tensors[i].name.size());
    digest.update(as_byte_span(model.tensors[i].name));
    add(layout.offsets[i]);
    add(model.tensors[i].bytes);
  }
  return digest.finish();
}

uint64_t header_checksum(const ExpandedHeader& header) {
  return checksum64(std::as_bytes(std::span(&header, 1)).first(sizeof header - sizeof(uint64_t)));
}

}  // namespace

Result<ExpandedLayout> lay_out_expanded(const ModelState& model) {
  std::vector<uint32_t> numbers(model.tensors.size());
  std::iota(numbers.begin(), numbers.end(), 0u);
  auto tensors = lay_out_tensors(model, numbers, kExpandedHeaderBytes);
  const auto file_bytes =
      tensors ? checked_align_up(tensors->end, kExpandedHeaderBytes) : std::nullopt;
  // Offsets of files are signed.
  if (!file_bytes || *file_bytes > INT64_MAX) {
    return Error(ErrorCode::kOutOfMemory,
                 text(quote(model.container.file.name()), " decodes to ", model.decoded_bytes,
                      " bytes, more than a file holds"));
  }
  ExpandedLayout layout{.tensors = std::move(*tensors), .file_bytes = *file_bytes};
  ExpandedHeader& header = layout.header;
  std::ranges::copy(kExpandedMagic, header.magic);
  header.version = kExpandedVersion;
  header.mark = kExpandedMark;
  header.file_bytes = layout.file_bytes;
  header.tensor_count = model.tensors.size();
  header.model_digest = to_record(model.digest);
  header.layout_digest = to_record(layout_digest(model, layout.tensors));
  header.checksum = header_checksum(header);
  return layout;
}

Result<const char*> judge_expanded(const File& file, const ExpandedLayout& layout) {
  ExpandedHeader header = {};
  const uint64_t bytes = std::min<uint64_t>(file.bytes(), sizeof header);
  QLOAD_CHECK(file.read_at(0, std::as_writable_bytes(std::span(&header, 1)).first(bytes)));
  if (std::memcmp(header.magic, kExpandedMagic, sizeof header.magic) != 0) {
    if (file.bytes() == 0) return "incomplete";
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(file.name()),
                      " is no expanded file, and is not replaced; expected one, "
                      "or no file"));
  }
  if (bytes < sizeof header || header.mark != kExpandedMark) return "incomplete";
  if (header.version != kExpandedVersion) return "other version";
  if (header.checksum != header_checksum(header)) return "damaged header";
  const ExpandedHeader& expected = layout.header;
  if (std::memcmp(&header.model_digest, &expected.model_digest, sizeof header.model_digest) != 0) {
    return "other model";
  }
  if (std::memcmp(&header, &expected, sizeof header) != 0) return "other layout";
  if (file.bytes() != layout.file_bytes) return "other size";
  return kExpandedComplete;
}

}  // namespace qload::internal
