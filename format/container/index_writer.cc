#include "format/container/index_writer.h"

#include <array>
#include <span>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "format/base/checksum.h"

namespace qload {
namespace {

struct Section {
  SectionType type;
  std::span<const std::byte> body;
};

/// Sections stand on multiples of 8, so that their records can be read in place.
constexpr uint64_t kSectionAlignment = 8;

}  // namespace

std::vector<std::byte> write_index(const IndexTables& tables, uint64_t index_offset) {
  const std::array sections = {
      Section{SectionType::kNames, as_byte_span(tables.names)},
      Section{SectionType::kFiles, std::as_bytes(tables.files)},
      Section{SectionType::kTensors, std::as_bytes(tables.tensors)},
      Section{SectionType::kShapes, std::as_bytes(tables.shapes)},
      Section{SectionType::kChunks, std::as_bytes(tables.chunks)},
      Section{SectionType::kStreams, std::as_bytes(tables.streams)},
      Section{SectionType::kExtents, std::as_bytes(tables.extents)},
      Section{SectionType::kGroups, std::as_bytes(tables.groups)},
      Section{SectionType::kNameOrder, std::as_bytes(tables.name_order)},
  };
  uint64_t bytes = sizeof(IndexHeader) + sections.size() * sizeof(SectionRecord);
  for (const Section& section : sections) bytes += section.body.size() + kSectionAlignment;

  ByteWriter writer;
  writer.bytes().reserve(bytes);
  writer.write(IndexHeader{kIndexMagic, sections.size()});
  uint64_t offset = index_offset + sizeof(IndexHeader) + sections.size() * sizeof(SectionRecord);
  for (const Section& section : sections) {
    offset = (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
    writer.write(SectionRecord{static_cast<uint32_t>(section.type), kSectionRequired, offset,
                               section.body.size(), checksum64(section.body)});
    offset += section.body.size();
  }
  for (const Section& section : sections) {
    writer.pad_to(kSectionAlignment);
    writer.write_bytes(section.body);
  }
  writer.pad_to(kSectionAlignment);
  return std::move(writer.bytes());
}

uint64_t superblock_checksum(const Superblock& superblock) {
  auto bytes = std::as_bytes(std::span(&superblock, 1));
  return checksum64(bytes.first(offsetof(Superblock, checksum)));
}

}  // namespace qload
