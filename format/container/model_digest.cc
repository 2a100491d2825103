#include <algorithm>
#include <numeric>

#include "format/base/bytes.h"
#include "format/base/checksum.h"
#include "format/container/index.h"

namespace qload {
namespace {

/// Opens the digested text, so that no other use of XXH3-128 gives the same one.
constexpr std::string_view kModelDigestTag = {"qmodel1\0", 8};

void write_text(ByteWriter& writer, std::string_view text) {
  writer.write<uint64_t>(text.size());
  writer.write_bytes(as_byte_span(text));
}

}  // namespace

std::vector<uint32_t> tensors_in_source_order(const IndexTables& tables) {
  // A stable sort of the name order leaves names to decide between equal places (empty tensors).
  std::vector<uint32_t> order(tables.name_order.begin(), tables.name_order.end());
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const TensorRecord& left = tables.tensors[a];
    const TensorRecord& right = tables.tensors[b];
    if (left.file != right.file) return left.file < right.file;
    return left.file_offset < right.file_offset;
  });
  return order;
}

Digest model_digest(const IndexTables& tables) {
  auto order = tensors_in_source_order(tables);
  DigestStream stream;
  ByteWriter writer;
  auto flush = [&] {
    stream.update(writer.bytes());
    writer.bytes().clear();
  };
  writer.write_bytes(as_byte_span(kModelDigestTag));
  writer.write<uint64_t>(tables.files.size());
  size_t next = 0;
  for (uint32_t i = 0; i < tables.files.size(); ++i) {
    const FileRecord& file = tables.files[i];
    size_t end = next;
    while (end < order.size() && tables.tensors[order[end]].file == i) ++end;
    write_text(writer, tables.path(file));
    writer.write<uint16_t>(file.format);
    writer.write<uint64_t>(file.bytes);
    writer.write<uint64_t>(file.header_bytes);
    writer.write<DigestRecord>(file.kept_digest);
    writer.write<uint64_t>(end - next);
    flush();
    for (; next < end; ++next) {
      const TensorRecord& tensor = tables.tensors[order[next]];
      write_text(writer, tables.name(tensor));
      writer.write<uint16_t>(tensor.dtype);
      writer.write<uint16_t>(tensor.rank);
      for (uint64_t dimension : tables.shape(tensor)) writer.write<uint64_t>(dimension);
      writer.write<uint64_t>(tensor.file_offset);
      writer.write<uint64_t>(tensor.bytes);
      writer.write<DigestRecord>(tensor.digest);
      flush();
    }
  }
  flush();
  return stream.finish();
}

Digest model_digest(const Index& index) { return model_digest(index.tables_); }

}  // namespace qload
