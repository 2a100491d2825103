// The index's section table, changed in place: what is refused, and what is skipped.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "format/base/bytes.h"
#include "format/base/checksum.h"
#include "format/container/index_check.h"
#include "tests/support/sample_index.h"

namespace qload::test {
namespace {

/// The section table, changed in place and summed again.
struct RawIndex {
  RawIndex() : edit(sample_index()), bytes(edit.seal()) {}

  SectionRecord section(uint32_t number) const {
    return load_le<SectionRecord>(bytes.data() + 8 + number * sizeof(SectionRecord));
  }
  void set(uint32_t number, const SectionRecord& record) {
    store_le(bytes.data() + 8 + number * sizeof(SectionRecord), record);
  }
  std::string parse() {
    edit.superblock.index_bytes = bytes.size();
    edit.superblock.index_checksum = checksum64(bytes);
    auto parsed = Index::parse(bytes, edit.superblock);
    if (parsed.ok()) return "ok";
    return std::string(error_code_name(parsed.error().code())) + ": " +
           std::string(parsed.error().message());
  }

  EditableIndex edit;
  std::vector<std::byte> bytes;
};

TEST(IndexSections, Checksums) {
  RawIndex index;
  EXPECT_EQ(index.parse(), "ok");
  index.edit.superblock.index_checksum ^= 1;
  EXPECT_FALSE(Index::parse(index.bytes, index.edit.superblock).ok());
  index.edit.superblock.index_checksum ^= 1;
  index.bytes.pop_back();
  EXPECT_FALSE(Index::parse(index.bytes, index.edit.superblock).ok());
  RawIndex flipped;
  auto section = flipped.section(3);
  section.checksum ^= 1;
  flipped.set(3, section);
  EXPECT_NE(flipped.parse().find("index section 3: checksum"), std::string::npos);
}

TEST(IndexSections, HeaderAndTable) {
  auto expect = [](void (*change)(RawIndex&), std::string_view message) {
    RawIndex index;
    change(index);
    std::string found = index.parse();
    EXPECT_NE(found.find(message), std::string::npos) << found;
  };
  expect([](RawIndex& i) { i.bytes[0] ^= std::byte{1}; }, "corrupt: index at offset");
  expect([](RawIndex& i) { i.bytes.resize(7); }, "its header needs 8");
  expect([](RawIndex& i) { store_le(i.bytes.data() + 4, ~0u); }, "section count 4294967295");
  expect([](RawIndex& i) { store_le(i.bytes.data() + 4, 8u); }, "index section 0: offset");
  expect([](RawIndex& i) { i.bytes.resize(i.bytes.size() + 8); }, "its sections need");
  expect([](RawIndex& i) { i.bytes.resize(i.bytes.size() - 8); }, "leave the index");
  auto change_section = [&](void (*change)(SectionRecord&), std::string_view message) {
    RawIndex index;
    auto section = index.section(4);
    change(section);
    index.set(4, section);
    std::string found = index.parse();
    EXPECT_NE(found.find(message), std::string::npos) << found;
  };
  change_section([](SectionRecord& s) { s.type = 77; }, "unsupported: index section 4: type 77");
  change_section([](SectionRecord& s) { s.type = 0; }, "unsupported: index section 4: type 0");
  change_section([](SectionRecord& s) { s.type = 3; }, "appears a second time");
  change_section([](SectionRecord& s) { s.compatibility = 1; }, "marked skippable");
  change_section([](SectionRecord& s) { s.compatibility = 2; }, "unsupported: ");
  change_section([](SectionRecord& s) { s.type = 77, s.compatibility = 1; },
                 "section 5 (chunks) is missing");
  change_section([](SectionRecord& s) { s.offset += 8; }, "index section 4: offset");
  change_section([](SectionRecord& s) { s.offset = 0; }, "index section 4: offset");
  change_section([](SectionRecord& s) { s.bytes = ~0ull; }, "leave the index");
}

TEST(IndexSections, PaddingIsZero) {
  RawIndex index;
  auto names = index.section(0);
  uint64_t end = names.offset + names.bytes - index.edit.superblock.index_offset;
  ASSERT_NE(end % 8, 0u);
  index.bytes[end] = std::byte{1};
  EXPECT_NE(index.parse().find("is not zero"), std::string::npos);
  RawIndex last;  // Name order: 5 entries of 4 bytes, 4 bytes of padding.
  last.bytes.back() = std::byte{1};
  EXPECT_NE(last.parse().find("is not zero"), std::string::npos);
}

TEST(IndexSections, RecordSize) {
  RawIndex index;
  auto order = index.section(8);
  order.bytes -= 1;
  uint64_t start = order.offset - index.edit.superblock.index_offset;
  order.checksum = checksum64(std::span(index.bytes).subspan(start, order.bytes));
  index.set(8, order);
  index.bytes[start + order.bytes] = std::byte{0};
  EXPECT_NE(index.parse().find("no multiple of the record size 4"), std::string::npos);
}

TEST(IndexSections, UnknownSkippableIsSkipped) {
  RawIndex index;
  // A tenth entry, of 3 bytes, at the end; everything moves by one entry.
  uint64_t entry = sizeof(SectionRecord);
  for (uint32_t i = 0; i < 9; ++i) {
    auto section = index.section(i);
    section.offset += entry;
    index.set(i, section);
  }
  store_le(index.bytes.data() + 4, 10u);
  auto body = to_bytes("new");
  SectionRecord added = {500, kSectionSkippable,
                         index.edit.superblock.index_offset + index.bytes.size() + entry, 3,
                         checksum64(body)};
  auto as_bytes = std::as_bytes(std::span(&added, 1));
  index.bytes.insert(index.bytes.begin() + 8 + 9 * entry, as_bytes.begin(), as_bytes.end());
  index.bytes.insert(index.bytes.end(), body.begin(), body.end());
  index.bytes.resize(index.bytes.size() + 5);
  EXPECT_EQ(index.parse(), "ok");
  index.bytes[index.bytes.size() - 6] ^= std::byte{1};
  EXPECT_NE(index.parse().find("section 9: checksum"), std::string::npos);
}

}  // namespace
}  // namespace qload::test
