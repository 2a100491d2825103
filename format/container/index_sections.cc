#include <array>

#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/try.h"
#include "format/container/index_check.h"

namespace qload {
namespace {

constexpr uint64_t kSectionAlignment = 8;

constexpr std::array<std::string_view, kSectionTypeCount + 1> kSectionNames = {
    "",       "names",   "files",   "tensors", "shapes",
    "chunks", "streams", "extents", "groups",  "name order"};

/// Where the index says its sections are. Slot 0 is unused.
using Sections = std::array<std::span<const std::byte>, kSectionTypeCount + 1>;

Status check_zero(std::span<const std::byte> padding, uint64_t offset) {
  for (size_t i = 0; i < padding.size(); ++i) {
    if (padding[i] != std::byte{0}) {
      return corrupt("index: padding at offset ", offset + i, " is not zero");
    }
  }
  return Ok{};
}

/// Known type, each once, required; or unknown and skippable.
Status check_section_type(const SectionRecord& section, uint32_t number, uint32_t& seen) {
  if (section.compatibility > kSectionSkippable) {
    return unsupported("index section ", number, ": compatibility ", section.compatibility,
                       " is unknown");
  }
  if (section.type == 0 || section.type > kSectionTypeCount) {
    if (section.compatibility == kSectionSkippable) return Ok{};
    return unsupported("index section ", number, ": type ", section.type,
                       " is unknown and required");
  }
  if (section.compatibility != kSectionRequired) {
    return corrupt("index section ", number, " (", kSectionNames[section.type],
                   "): marked skippable, expected required");
  }
  if (seen & (1u << section.type)) {
    return corrupt("index section ", number, " (", kSectionNames[section.type],
                   "): appears a second time");
  }
  seen |= 1u << section.type;
  return Ok{};
}

/// Follows the section table once. Each section stands on the first multiple of 8 after the one
/// before it, and the last, padded to 8, ends the index: no byte is spare.
Result<Sections> find_sections(std::span<const std::byte> bytes, uint64_t index_offset,
                               uint32_t section_count) {
  Sections sections;
  uint32_t seen = 0;
  uint64_t end = sizeof(IndexHeader) + section_count * sizeof(SectionRecord);
  for (uint32_t i = 0; i < section_count; ++i) {
    auto section =
        load_le<SectionRecord>(bytes.data() + sizeof(IndexHeader) + i * sizeof(SectionRecord));
    QLOAD_CHECK(check_section_type(section, i, seen));
    uint64_t start = align_up(end, kSectionAlignment);
    if (section.offset != index_offset + start) {
      return corrupt("index section ", i, ": offset ", section.offset, ", expected ",
                     index_offset + start);
    }
    if (!range_fits(start, section.bytes, bytes.size())) {
      return corrupt("index section ", i, ": ", section.bytes, " bytes from offset ",
                     section.offset, " leave the index, which ends at ",
                     index_offset + bytes.size());
    }
    QLOAD_CHECK(check_zero(bytes.subspan(end, start - end), index_offset + end));
    auto body = bytes.subspan(start, section.bytes);
    if (uint64_t checksum = checksum64(body); checksum != section.checksum) {
      return corrupt("index section ", i, ": checksum ", checksum, ", expected ", section.checksum);
    }
    if (section.type <= kSectionTypeCount) sections[section.type] = body;
    end = start + section.bytes;
  }
  if (align_up(end, kSectionAlignment) != bytes.size()) {
    return corrupt("index: ", bytes.size(), " bytes, its sections need ",
                   align_up(end, kSectionAlignment));
  }
  QLOAD_CHECK(check_zero(bytes.subspan(end), index_offset + end));
  for (uint32_t type = 1; type <= kSectionTypeCount; ++type) {
    if (!(seen & (1u << type))) {
      return corrupt("index: section ", type, " (", kSectionNames[type], ") is missing");
    }
  }
  return sections;
}

/// Views a section as records. Their alignment follows from the section's.
template <class Record>
Status view(const Sections& sections, SectionType type, std::span<const Record>& records) {
  static_assert(alignof(Record) <= kSectionAlignment);
  auto number = static_cast<uint32_t>(type);
  auto body = sections[number];
  if (body.size() % sizeof(Record) != 0) {
    return corrupt("index section ", kSectionNames[number], ": ", body.size(),
                   " bytes are no multiple of the record size ", sizeof(Record));
  }
  records = {reinterpret_cast<const Record*>(body.data()), body.size() / sizeof(Record)};
  return Ok{};
}

}  // namespace

Result<IndexTables> read_sections(std::span<const std::byte> bytes, uint64_t index_offset) {
  if (bytes.size() < sizeof(IndexHeader)) {
    return corrupt("index: ", bytes.size(), " bytes, its header needs ", sizeof(IndexHeader));
  }
  auto header = load_le<IndexHeader>(bytes.data());
  if (header.magic != kIndexMagic) {
    return corrupt("index at offset ", index_offset, ": magic ", header.magic, ", expected ",
                   kIndexMagic);
  }
  uint64_t room = (bytes.size() - sizeof(IndexHeader)) / sizeof(SectionRecord);
  if (header.section_count > room) {
    return corrupt("index: section count ", header.section_count, ", the index has room for ",
                   room);
  }
  QLOAD_TRY(Sections sections, find_sections(bytes, index_offset, header.section_count));
  IndexTables tables;
  tables.names = as_text(sections[static_cast<uint32_t>(SectionType::kNames)]);
  QLOAD_CHECK(view(sections, SectionType::kFiles, tables.files));
  QLOAD_CHECK(view(sections, SectionType::kTensors, tables.tensors));
  QLOAD_CHECK(view(sections, SectionType::kShapes, tables.shapes));
  QLOAD_CHECK(view(sections, SectionType::kChunks, tables.chunks));
  QLOAD_CHECK(view(sections, SectionType::kStreams, tables.streams));
  QLOAD_CHECK(view(sections, SectionType::kExtents, tables.extents));
  QLOAD_CHECK(view(sections, SectionType::kGroups, tables.groups));
  QLOAD_CHECK(view(sections, SectionType::kNameOrder, tables.name_order));
  return tables;
}

}  // namespace qload
