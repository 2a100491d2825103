#include "tests/support/container_fixtures.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/try.h"
#include "format/container/index_check.h"
#include "format/container/index_writer.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

constexpr std::string_view kSampleHeader =
    R"({"embed":{"dtype":"U8","shape":[2,8],"data_offsets":[0,16]},)"
    R"("model.layers.0.w":{"dtype":"F16","shape":[6],"data_offsets":[16,28]},)"
    R"("model.layers.0.zero":{"dtype":"F32","shape":[4],"data_offsets":[28,44]},)"
    R"("model.layers.0.none":{"dtype":"I8","shape":[0],"data_offsets":[44,44]},)"
    R"("model.layers.1.w":{"dtype":"I8","shape":[3,1],"data_offsets":[44,47]}})";
constexpr std::string_view kSampleEmbed = "0123456789abcdef";
constexpr std::string_view kSampleHalf =
    "a\x3C"
    "b\x3C"
    "c\x3C"
    "d\x3C"
    "e\x3C"
    "f\x3C";
constexpr std::string_view kSampleLast = "xyz";

ContainerWriter make_writer(const std::filesystem::path& path,
                            const ContainerWriterOptions& options) {
  auto writer = ContainerWriter::create(path, options);
  if (!writer.ok()) ADD_FAILURE() << writer.error().message();
  return std::move(writer).value();
}

}  // namespace

SampleWriter::SampleWriter(const std::filesystem::path& path, const ContainerWriterOptions& options)
    : writer_(make_writer(path, options)) {}

void SampleWriter::append(std::span<const std::byte> bytes, size_t chunk_bytes,
                          const ChunkRecipe& recipe) {
  for (size_t start = 0; start < bytes.size(); start += chunk_bytes) {
    auto decoded = bytes.subspan(start, std::min(chunk_bytes, bytes.size() - start));
    EncodedChunk chunk;
    chunk.form = encode_chunk(context_, decoded, recipe, stored_);
    chunk.stored = stored_;
    chunk.stored_checksum = checksum64(stored_);
    chunk.decoded_checksum = checksum64(decoded);
    Status status = writer_.append_chunk(chunk);
    EXPECT_TRUE(status.ok());
  }
}

void SampleWriter::tensor(TensorEntry entry, std::span<const std::byte> bytes, size_t chunk_bytes,
                          FilterId filter, CodecId codec) {
  entry.bytes = bytes.size();
  writer_.begin_tensor(entry);
  append(bytes, chunk_bytes, {.filter = filter, .codec = codec});
  writer_.end_tensor(digest_of(bytes));
}

void SampleWriter::kept(uint32_t file, std::span<const std::byte> bytes, size_t chunk_bytes) {
  writer_.begin_kept(file);
  append(bytes, chunk_bytes, {.filter = FilterId::kNone, .codec = CodecId::kStore});
  writer_.end_kept(digest_of(bytes));
}

uint64_t SampleWriter::finish() {
  auto bytes = writer_.finish();
  if (!bytes.ok()) {
    ADD_FAILURE() << bytes.error().message();
    return 0;
  }
  return *bytes;
}

std::vector<std::byte> sample_source() {
  ByteWriter writer;
  writer.write<uint64_t>(kSampleHeader.size());
  writer.write_bytes(as_byte_span(kSampleHeader));
  writer.write_bytes(as_byte_span(kSampleEmbed));
  writer.write_bytes(as_byte_span(kSampleHalf));
  writer.write_bytes(std::vector<std::byte>(16));
  writer.write_bytes(as_byte_span(kSampleLast));
  return std::move(writer.bytes());
}

void write_sample(const std::filesystem::path& path, const ContainerWriterOptions& options) {
  const uint64_t header_bytes = 8 + kSampleHeader.size();
  const auto source = sample_source();
  SampleWriter writer(path, options);
  writer.add_file({std::string(kSamplePath), 1, source.size(), header_bytes});
  writer.add_file(
      {std::string(kSampleCompanionPath), 3, kSampleCompanion.size(), kSampleCompanion.size()});
  writer.begin_group(kNoLayer, kNoLayer);
  writer.tensor({"embed", DType::kU8, {2, 8}, 16, 0, header_bytes}, as_byte_span(kSampleEmbed), 10);
  writer.begin_group(0, 0);
  writer.tensor({"model.layers.0.w", DType::kF16, {6}, 12, 0, header_bytes + 16},
                as_byte_span(kSampleHalf), 12, FilterId::kBytePlanes2);
  writer.tensor({"model.layers.0.zero", DType::kF32, {4}, 16, 0, header_bytes + 28},
                std::vector<std::byte>(16));
  writer.tensor({"model.layers.0.none", DType::kI8, {0}, 0, 0, header_bytes + 44}, {});
  writer.begin_group(0, 1);
  writer.tensor({"model.layers.1.w", DType::kI8, {3, 1}, 3, 0, header_bytes + 44},
                as_byte_span(kSampleLast));
  writer.kept(0, std::span(source).first(header_bytes));
  writer.kept(1, as_byte_span(kSampleCompanion));
  writer.finish();
}

EditableIndex::EditableIndex(const Container& container)
    : superblock(container.superblock),
      files(container.index.files().begin(), container.index.files().end()),
      tensors(container.index.tensors().begin(), container.index.tensors().end()),
      chunks(container.index.chunks().begin(), container.index.chunks().end()),
      streams(container.index.streams().begin(), container.index.streams().end()),
      extents(container.index.extents().begin(), container.index.extents().end()),
      groups(container.index.groups().begin(), container.index.groups().end()),
      name_order(container.index.name_order().begin(), container.index.name_order().end()) {
  for (const FileRecord& file : files) names += container.index.path(file);
  for (const TensorRecord& tensor : tensors) {
    names += container.index.name(tensor);
    auto shape = container.index.shape(tensor);
    shapes.insert(shapes.end(), shape.begin(), shape.end());
  }
}

IndexTables EditableIndex::tables() const {
  return {names, files, tensors, shapes, chunks, streams, extents, groups, name_order};
}

std::vector<std::byte> EditableIndex::seal() {
  auto bytes = write_index(tables(), superblock.index_offset);
  superblock.index_bytes = bytes.size();
  superblock.index_checksum = checksum64(bytes);
  superblock.container_bytes = superblock.index_offset + bytes.size();
  superblock.checksum = superblock_checksum(superblock);
  return bytes;
}

namespace {

void reseal_sections(std::span<std::byte> index, uint64_t index_offset) {
  if (index.size() < sizeof(IndexHeader)) return;
  uint64_t count = load_le<IndexHeader>(index.data()).section_count;
  count = std::min(count, (index.size() - sizeof(IndexHeader)) / sizeof(SectionRecord));
  for (uint64_t i = 0; i < count; ++i) {
    std::byte* at = index.data() + sizeof(IndexHeader) + i * sizeof(SectionRecord);
    auto section = load_le<SectionRecord>(at);
    uint64_t start = section.offset - index_offset;
    if (!range_fits(start, section.bytes, index.size())) continue;
    section.checksum = checksum64(index.subspan(start, section.bytes));
    store_le(at, section);
  }
}

}  // namespace

void reseal(std::vector<std::byte>& container) {
  if (container.size() < kSuperblockBytes) return;
  auto superblock = load_le<Superblock>(container.data());
  superblock.container_bytes = container.size();
  if (superblock.index_offset <= container.size()) {
    superblock.index_bytes = container.size() - superblock.index_offset;
    auto index = std::span(container).subspan(superblock.index_offset);
    reseal_sections(index, superblock.index_offset);
    superblock.index_checksum = checksum64(index);
    // Index::parse wants its bytes on a boundary of 8, which a vector of their own has.
    std::vector<std::byte> copy(index.begin(), index.end());
    auto tables = read_sections(copy, superblock.index_offset);
    bool aligned = is_power_of_two(superblock.alignment);
    if (tables.ok() && aligned && check_index(*tables, superblock).ok()) {
      superblock.model_digest = to_record(model_digest(*tables));
    }
  }
  superblock.checksum = superblock_checksum(superblock);
  store_le(container.data(), superblock);
}

File memory_file(std::span<const std::byte> bytes) {
  int descriptor = ::memfd_create("qload_test", MFD_CLOEXEC);
  EXPECT_GE(descriptor, 0);
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t written = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  EXPECT_EQ(done, bytes.size());
  auto file = File::from_descriptor(descriptor, 0, 0, "memory");
  ::close(descriptor);
  EXPECT_TRUE(file.ok());
  return std::move(file).value();
}

Result<std::vector<std::byte>> restore_source(const Container& container, uint32_t file) {
  const Index& index = container.index;
  const FileRecord& record = index.files()[file];
  std::vector<std::byte> source(record.bytes);
  std::vector<bool> filled(record.bytes);
  DecodeContext context;
  std::vector<std::byte> stored;
  std::vector<std::byte> decoded;
  for (const TensorRecord& tensor : index.tensors()) {
    if (tensor.file != file) continue;
    for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
      uint64_t at = tensor.file_offset + chunk.decoded_offset;
      QLOAD_CHECK(read_chunk(container, chunk, context, stored,
                             std::span(source).subspan(at, chunk.decoded_bytes)));
    }
    std::fill_n(filled.begin() + static_cast<ptrdiff_t>(tensor.file_offset), tensor.bytes, true);
  }
  QLOAD_TRY(std::vector<std::byte> kept, read_kept(container, file, record.kept_bytes));
  auto next = kept.begin();
  for (uint64_t i = 0; i < record.bytes; ++i) {
    if (!filled[i]) source[i] = *next++;
  }
  return source;
}

}  // namespace qload::test
