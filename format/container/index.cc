#include "format/container/index.h"

#include <algorithm>
#include <cstring>

#include "format/base/checksum.h"
#include "format/base/try.h"
#include "format/container/index_check.h"

namespace qload {

ChunkForm IndexTables::form(const ChunkRecord& chunk) const {
  ChunkForm form;
  form.filter = FilterId{chunk.filter};
  form.decoded_bytes = chunk.decoded_bytes;
  form.stored_bytes = chunk.stored_bytes;
  form.stream_count = chunk.stream_count;
  for (uint32_t i = 0; i < chunk.stream_count; ++i) {
    const StreamRecord& stream = streams[chunk.first_stream + i];
    form.streams[i] = {CodecId{stream.codec}, stream.stored_bytes, stream.decoded_bytes};
  }
  return form;
}

Result<Index> Index::parse(std::vector<std::byte> bytes, const Superblock& superblock) {
  if (bytes.size() != superblock.index_bytes) {
    return corrupt("index: ", bytes.size(), " bytes, expected ", superblock.index_bytes);
  }
  uint64_t checksum = checksum64(bytes);
  if (checksum != superblock.index_checksum) {
    return corrupt("index at offset ", superblock.index_offset, ": checksum ", checksum,
                   ", expected ", superblock.index_checksum);
  }
  Index index;
  index.bytes_ = std::move(bytes);
  QLOAD_TRY(index.tables_, read_sections(index.bytes_, superblock.index_offset));
  QLOAD_CHECK(check_index(index.tables_, superblock));
  if (model_digest(index) != to_digest(superblock.model_digest)) {
    return corrupt("superblock: model digest is not that of the index");
  }
  return index;
}

std::string_view Index::name(const TensorRecord& tensor) const { return tables_.name(tensor); }

std::string_view Index::path(const FileRecord& file) const { return tables_.path(file); }

std::span<const uint64_t> Index::shape(const TensorRecord& tensor) const {
  return tables_.shape(tensor);
}

std::span<const ChunkRecord> Index::chunks_of(const TensorRecord& tensor) const {
  return chunks().subspan(tensor.first_chunk, tensor.chunk_count);
}

std::span<const ChunkRecord> Index::chunks_of(const FileRecord& file) const {
  return chunks().subspan(file.first_chunk, file.chunk_count);
}

ChunkForm Index::form(const ChunkRecord& chunk) const { return tables_.form(chunk); }

std::optional<uint32_t> Index::find(std::string_view tensor_name) const {
  auto name_of = [&](uint32_t tensor) { return tables_.name(tensors()[tensor]); };
  auto at = std::ranges::lower_bound(name_order(), tensor_name, {}, name_of);
  if (at == name_order().end() || name_of(*at) != tensor_name) return std::nullopt;
  return *at;
}

std::string describe_chunk(const Index& index, const ChunkRecord& chunk) {
  // Chunks lie in file order, so an offset finds the number, of a copied record too.
  auto at = std::ranges::lower_bound(index.chunks(), chunk.offset, {}, &ChunkRecord::offset);
  auto number = static_cast<uint64_t>(at - index.chunks().begin());
  auto place = [&](uint64_t first, uint64_t count) {
    return text(", chunk ", number - first, " of ", count, ", offset ", chunk.offset);
  };
  for (const TensorRecord& tensor : index.tensors()) {
    if (number - tensor.first_chunk < tensor.chunk_count) {
      return text("tensor ", quote(index.name(tensor)),
                  place(tensor.first_chunk, tensor.chunk_count));
    }
  }
  for (const FileRecord& file : index.files()) {
    if (number - file.first_chunk < file.chunk_count) {
      return text("kept bytes of file ", quote(index.path(file)),
                  place(file.first_chunk, file.chunk_count));
    }
  }
  return text("chunk at offset ", chunk.offset);
}

Digest to_digest(const DigestRecord& record) {
  Digest digest;
  digest.algorithm = record.algorithm;
  std::memcpy(digest.bytes, record.bytes, sizeof digest.bytes);
  return digest;
}

DigestRecord to_record(const Digest& digest) {
  DigestRecord record = {};
  record.algorithm = digest.algorithm;
  std::memcpy(record.bytes, digest.bytes, sizeof record.bytes);
  return record;
}

}  // namespace qload
