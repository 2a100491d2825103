// Each rule of docs/format.md about the index, broken in turn in an index that is otherwise true.
#include "format/container/index_check.h"

#include <gtest/gtest.h>

#include <ostream>

#include "format/base/bytes.h"
#include "format/base/checksum.h"
#include "format/base/limits.h"
#include "format/container/container_reader.h"
#include "tests/support/sample_index.h"

namespace qload::test {
namespace {

struct Broken {
  const char* rule;
  void (*change)(EditableIndex& index);
  ErrorCode code;
  const char* message;
};
void PrintTo(const Broken& broken, std::ostream* out) { *out << broken.rule; }

constexpr ErrorCode kCorrupt = ErrorCode::kCorrupt;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

// Tensors of the sample in load order: 0 embed (chunks 0, 1), 1 layers.0.w (2), 2 layers.0.zero
// (3), 3 layers.0.none (no chunk), 4 layers.1.w (4). Kept bytes: chunk 5, chunk 6.
const Broken kBroken[] = {
    {"path_offset", [](EditableIndex& i) { ++i.files[0].path_offset; }, kCorrupt,
     "file 0: name offset 1, expected 0"},
    {"path_offset_huge", [](EditableIndex& i) { i.files[1].path_offset = ~0ull; }, kCorrupt,
     "file 1: name offset"},
    {"name_too_long", [](EditableIndex& i) { i.tensors[4].name_bytes = 65536; }, kCorrupt,
     "name of 65536 bytes, at most 65535"},
    {"name_past_section", [](EditableIndex& i) { ++i.tensors[4].name_bytes; }, kCorrupt,
     "past the names section"},
    {"names_left_over", [](EditableIndex& i) { i.names += 'x'; }, kCorrupt, "names section"},
    {"name_not_utf8", [](EditableIndex& i) { i.names.back() = '\x80'; }, kCorrupt, "not UTF-8"},
    {"name_overlong", [](EditableIndex& i) { i.names.replace(i.names.size() - 2, 2, "\xC0\x80"); },
     kCorrupt, "not UTF-8"},
    {"name_surrogate",
     [](EditableIndex& i) { i.names.replace(i.names.size() - 3, 3, "\xED\xA0\x80"); }, kCorrupt,
     "not UTF-8"},
    {"name_nul", [](EditableIndex& i) { i.names.back() = '\0'; }, kCorrupt, "is NUL"},
    {"path_absolute", [](EditableIndex& i) { i.names[0] = '/'; }, kCorrupt, "plain names"},
    {"path_parent", [](EditableIndex& i) { i.names.replace(0, 3, "../"); }, kCorrupt,
     "component \"..\""},
    {"path_dot",
     [](EditableIndex& i) {
       i.names.replace(0, 3, "a/.");
       i.names[3] = '/';
     },
     kCorrupt, "component \".\""},
    {"path_empty_component", [](EditableIndex& i) { i.names.replace(0, 3, "a//"); }, kCorrupt,
     "component \"\""},
    {"path_trailing_slash", [](EditableIndex& i) { i.names[kSamplePath.size() - 1] = '/'; },
     kCorrupt, "component \"\""},
    {"path_repeated",
     [](EditableIndex& i) {
       i.names.replace(0, kSamplePath.size(), kSampleCompanionPath);
       i.files[0].path_bytes = kSampleCompanionPath.size();
       i.files[1].path_offset = kSampleCompanionPath.size();
       for (auto& tensor : i.tensors) {
         tensor.name_offset += kSampleCompanionPath.size() - kSamplePath.size();
       }
     },
     kCorrupt, "have the same path"},
    {"name_order_short", [](EditableIndex& i) { i.name_order.pop_back(); }, kCorrupt,
     "name order: 4 entries, expected 5"},
    {"name_order_range", [](EditableIndex& i) { i.name_order[2] = 5; }, kCorrupt,
     "name order 2: tensor 5"},
    {"name_order_repeats", [](EditableIndex& i) { i.name_order[1] = i.name_order[0]; }, kCorrupt,
     "does not follow"},
    {"name_order_swapped", [](EditableIndex& i) { std::swap(i.name_order[0], i.name_order[1]); },
     kCorrupt, "does not follow"},
    {"source_format", [](EditableIndex& i) { i.files[0].format = 4; }, kUnsupported,
     "source format 4"},
    {"file_reserved", [](EditableIndex& i) { i.files[0].reserved = 1; }, kCorrupt, "reserved"},
    {"header_past_file", [](EditableIndex& i) { i.files[1].header_bytes = 6; }, kCorrupt,
     "header of 6 bytes"},
    {"kept_digest_unknown", [](EditableIndex& i) { i.files[1].kept_digest.algorithm = 2; },
     kUnsupported, "digest algorithm 2"},
    {"kept_digest_reserved", [](EditableIndex& i) { i.files[1].kept_digest.reserved = 2; },
     kCorrupt, "reserved field of its digest"},
    {"digest_unused", [](EditableIndex& i) { i.tensors[1].digest.bytes[16] = 1; }, kCorrupt,
     "unused bytes of its digest"},
    {"digest_none", [](EditableIndex& i) { i.tensors[1].digest.algorithm = 0; }, kUnsupported,
     "digest algorithm 0"},
    {"tensor_reserved", [](EditableIndex& i) { i.tensors[0].reserved = 1; }, kCorrupt,
     "tensor \"embed\": reserved"},
    {"rank", [](EditableIndex& i) { i.tensors[0].rank = 65; }, kCorrupt, "rank 65, at most 64"},
    {"first_dimension", [](EditableIndex& i) { i.tensors[1].first_dimension = ~0ull; }, kCorrupt,
     "first dimension"},
    {"shape_past_section", [](EditableIndex& i) { i.tensors[4].rank = 3; }, kCorrupt,
     "past the shapes section"},
    {"shapes_left_over", [](EditableIndex& i) { i.shapes.push_back(1); }, kCorrupt,
     "shapes section"},
    {"dtype", [](EditableIndex& i) { i.tensors[0].dtype = 999; }, kUnsupported, "dtype 999"},
    {"elements_overflow", [](EditableIndex& i) { i.shapes[0] = 1ull << 62; }, kCorrupt,
     "element count passes 64 bits"},
    {"bytes_overflow", [](EditableIndex& i) { i.shapes[2] = 1ull << 63; }, kCorrupt,
     "more than 64 bits"},
    {"shape_against_bytes", [](EditableIndex& i) { i.shapes[0] = 3; }, kCorrupt,
     "16 bytes, its shape and U8 need 24"},
    {"block_row", [](EditableIndex& i) { i.tensors[0].dtype = 256 + 8; }, kCorrupt,
     "row of 8 elements, no multiple of the block of 32"},
    {"sub_byte", [](EditableIndex& i) { i.tensors[4].dtype = 22; }, kCorrupt,
     "3 elements, no multiple of the block of 2"},
    {"tensor_file", [](EditableIndex& i) { i.tensors[0].file = 2; }, kCorrupt,
     "file 2, there are 2"},
    {"in_header", [](EditableIndex& i) { --i.tensors[0].file_offset; }, kCorrupt, "outside ["},
    {"past_file", [](EditableIndex& i) { ++i.tensors[4].file_offset; }, kCorrupt, "outside ["},
    {"file_offset_huge", [](EditableIndex& i) { i.tensors[4].file_offset = ~0ull - 1; }, kCorrupt,
     "outside ["},
    {"source_overlap", [](EditableIndex& i) { --i.tensors[2].file_offset; }, kCorrupt,
     "inside the tensor before it"},
    {"kept_bytes", [](EditableIndex& i) { ++i.files[0].kept_bytes; }, kCorrupt, "kept bytes"},
    {"chunk_reserved", [](EditableIndex& i) { i.chunks[0].reserved = 1; }, kCorrupt, "reserved"},
    {"chunk_reserved2", [](EditableIndex& i) { i.chunks[0].reserved2 = 1; }, kCorrupt, "reserved"},
    {"decoded_zero", [](EditableIndex& i) { i.chunks[0].decoded_bytes = 0; }, kCorrupt,
     "decoded bytes 0"},
    {"decoded_past_limit", [](EditableIndex& i) { i.chunks[0].decoded_bytes = (16u << 20) + 1; },
     kCorrupt, "decoded bytes 16777217"},
    {"stored_zero", [](EditableIndex& i) { i.chunks[0].stored_bytes = 0; }, kCorrupt,
     "stored bytes 0"},
    {"stored_above_decoded", [](EditableIndex& i) { i.chunks[0].stored_bytes = 11; }, kCorrupt,
     "stored bytes 11, expected 1 to 10"},
    {"no_stream", [](EditableIndex& i) { i.chunks[0].stream_count = 0; }, kCorrupt,
     "stream count 0"},
    {"nine_streams", [](EditableIndex& i) { i.chunks[0].stream_count = 9; }, kCorrupt,
     "stream count 9"},
    {"first_stream", [](EditableIndex& i) { i.chunks[1].first_stream = ~0ull; }, kCorrupt,
     "first stream"},
    {"streams_missing", [](EditableIndex& i) { i.streams.pop_back(); }, kCorrupt, "streams end at"},
    {"streams_left_over", [](EditableIndex& i) { i.streams.push_back({}); }, kCorrupt,
     "streams section"},
    {"stream_reserved", [](EditableIndex& i) { i.streams[3].reserved[6] = 1; }, kCorrupt,
     "stream's reserved"},
    {"filter", [](EditableIndex& i) { i.chunks[0].filter = 200; }, kUnsupported, "200"},
    {"codec", [](EditableIndex& i) { i.streams[0].codec = 200; }, kUnsupported, "200"},
    {"filter_streams", [](EditableIndex& i) { i.chunks[2].filter = 0; }, kCorrupt,
     "chunk 2 at offset"},
    {"stream_sizes", [](EditableIndex& i) { ++i.streams[0].stored_bytes; }, kCorrupt,
     "chunk 0 at offset"},
    {"extent_offset", [](EditableIndex& i) { i.extents[1].offset += 8; }, kCorrupt,
     "extent 1: offset"},
    {"extent_bytes", [](EditableIndex& i) { i.extents[1].bytes -= 8; }, kCorrupt,
     "expected multiples of 4096"},
    {"extent_in_superblock", [](EditableIndex& i) { i.extents[0].offset = 0; }, kCorrupt,
     "outside the free part"},
    {"extent_in_index", [](EditableIndex& i) { i.extents.back().bytes += 4096; }, kCorrupt,
     "outside the free part"},
    {"extent_order", [](EditableIndex& i) { i.extents[1].offset = i.extents[0].offset; }, kCorrupt,
     "outside the free part"},
    {"extent_first_chunk", [](EditableIndex& i) { ++i.extents[1].first_chunk; }, kCorrupt,
     "first chunk"},
    {"extent_empty", [](EditableIndex& i) { i.extents[0].chunk_count = 0; }, kCorrupt,
     "chunk count 0"},
    {"extent_too_many", [](EditableIndex& i) { i.extents[0].chunk_count = ~0ull; }, kCorrupt,
     "chunk count"},
    {"extents_miss_a_chunk", [](EditableIndex& i) { i.extents.pop_back(); }, kCorrupt,
     "extents hold 5 chunks, there are 7"},
    {"chunk_before_extent", [](EditableIndex& i) { i.chunks[2].offset -= 1; }, kCorrupt,
     "outside the free part"},
    {"chunk_past_extent", [](EditableIndex& i) { i.chunks[4].offset += 4094; }, kCorrupt,
     "outside the free part"},
    {"chunk_offset_huge", [](EditableIndex& i) { i.chunks[4].offset = ~0ull - 1; }, kCorrupt,
     "outside the free part"},
    {"chunks_overlap", [](EditableIndex& i) { i.chunks[1].offset -= 1; }, kCorrupt,
     "outside the free part"},
    {"run_past_table", [](EditableIndex& i) { i.files[1].chunk_count = ~0ull; }, kCorrupt,
     "chunk run"},
    {"run_overlaps", [](EditableIndex& i) { i.tensors[1].first_chunk = 1; }, kCorrupt,
     "chunk run 1 + 1"},
    {"run_shared_in_part",
     [](EditableIndex& i) {
       i.tensors[1].first_chunk = 0;
       i.tensors[1].chunk_count = 1;
     },
     kCorrupt, "overlaps another"},
    {"run_shared_other_digest",
     [](EditableIndex& i) {
       i.tensors[2].first_chunk = 0;
       i.tensors[2].chunk_count = 2;
     },
     kCorrupt, "another of another digest"},
    {"run_shared_other_bytes",
     [](EditableIndex& i) {
       i.tensors[4].first_chunk = 0;
       i.tensors[4].chunk_count = 2;
       i.tensors[4].digest = i.tensors[0].digest;
     },
     kCorrupt, "its chunks decode to 16 bytes, expected 3"},
    {"run_shared_other_stored_bytes",
     [](EditableIndex& i) {
       i.tensors[2].first_chunk = 0;
       i.tensors[2].chunk_count = 2;
       i.tensors[2].digest = i.tensors[0].digest;
     },
     kCorrupt, "stored bytes, its chunks have 16"},
    {"chunk_orphan_last",
     [](EditableIndex& i) {
       i.files[1].chunk_count = 0;
       i.files[1].first_chunk = 0;
       i.files[1].bytes = i.files[1].header_bytes = i.files[1].kept_bytes = 0;
     },
     kCorrupt, "chunk 6 belongs to no tensor"},
    {"chunk_orphan_middle", [](EditableIndex& i) { i.tensors[4].first_chunk = 5; }, kCorrupt,
     "expected one from 4"},
    {"empty_run_points", [](EditableIndex& i) { i.tensors[3].first_chunk = 3; }, kCorrupt,
     "first chunk 3 of none"},
    {"run_of_none_with_bytes",
     [](EditableIndex& i) { i.tensors[0].chunk_count = i.tensors[0].first_chunk = 0; }, kCorrupt,
     "decode to 0 bytes, expected 16"},
    {"decoded_offset", [](EditableIndex& i) { ++i.chunks[1].decoded_offset; }, kCorrupt,
     "decoded offset 11, expected 10"},
    {"run_sum",
     [](EditableIndex& i) {
       i.tensors[0].chunk_count = 1;
       i.tensors[1].first_chunk = 1;
       i.chunks[1].decoded_offset = 0;
     },
     kCorrupt, "decode to 10 bytes, expected 16"},
    {"stored_bytes_sum", [](EditableIndex& i) { ++i.tensors[0].stored_bytes; }, kCorrupt,
     "17 stored bytes"},
    {"group_half_layer", [](EditableIndex& i) { i.groups[0].stack = 0; }, kCorrupt,
     "both or neither"},
    {"group_first_tensor", [](EditableIndex& i) { ++i.groups[1].first_tensor; }, kCorrupt,
     "first tensor 2, expected 1"},
    {"group_empty", [](EditableIndex& i) { i.groups[1].tensor_count = 0; }, kCorrupt,
     "tensor count 0"},
    {"group_too_many", [](EditableIndex& i) { i.groups[2].tensor_count = ~0ull; }, kCorrupt,
     "tensor count"},
    {"groups_miss_a_tensor", [](EditableIndex& i) { i.groups.pop_back(); }, kCorrupt,
     "groups hold 4 tensors"},
    {"tensor_layer", [](EditableIndex& i) { i.tensors[1].layer = 7; }, kCorrupt,
     "layer 7, its group 1"},
    {"tensor_stack", [](EditableIndex& i) { i.tensors[1].stack = 7; }, kCorrupt, "stack 7"},
    {"group_bytes", [](EditableIndex& i) { ++i.groups[1].bytes; }, kCorrupt, "group 1: 29 bytes"},
    {"layer_repeated", [](EditableIndex& i) { i.groups[2].layer = i.tensors[4].layer = 0; },
     kCorrupt, "group 2: stack 0 layer 0 has a group already"},
    {"decoded_bytes", [](EditableIndex& i) { ++i.superblock.decoded_bytes; }, kCorrupt,
     "decoded bytes 48"},
    {"model_digest", [](EditableIndex& i) { i.superblock.model_digest.bytes[0] ^= 1; }, kCorrupt,
     "model digest"},
};

class IndexCheck : public testing::TestWithParam<Broken> {};

TEST_P(IndexCheck, RefusesWhatBreaksTheRule) {
  EditableIndex index = sample_index();
  GetParam().change(index);
  auto bytes = index.seal();
  auto parsed = Index::parse(std::move(bytes), index.superblock);
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.error().message().find(GetParam().message), std::string::npos)
      << parsed.error().message();
  EXPECT_EQ(parsed.error().code(), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(Rules, IndexCheck, testing::ValuesIn(kBroken),
                         [](const auto& broken) { return std::string(broken.param.rule); });

TEST(IndexCheckAllowed, UntouchedAndSharedRuns) {
  EditableIndex index = sample_index();
  auto bytes = index.seal();
  EXPECT_TRUE(Index::parse(std::move(bytes), index.superblock).ok());
  // "layers.0.zero" becomes a twin of "embed" on the same chunks; its own chunk goes, and so do
  // the companion's bytes.
  index.files[1] = {index.files[1].path_offset, index.files[1].path_bytes, 3, 0, 0, 0, 0, 0, 0,
                    index.files[1].kept_digest};
  index.tensors[2].dtype = static_cast<uint16_t>(DType::kU8);
  index.shapes[3] = 16;
  index.tensors[2].first_chunk = 0;
  index.tensors[2].chunk_count = 2;
  index.tensors[2].stored_bytes = 16;
  index.tensors[2].digest = index.tensors[0].digest;
  index.tensors[4].first_chunk = 3;
  index.files[0].first_chunk = 4;
  index.chunks.erase(index.chunks.begin() + 3);
  index.chunks.pop_back();
  index.streams.erase(index.streams.begin() + 4);
  index.streams.pop_back();
  for (size_t i = 3; i < index.chunks.size(); ++i) --index.chunks[i].first_stream;
  index.extents[1].chunk_count = 1;
  index.extents[2].first_chunk = 3;
  index.extents[3].first_chunk = 4;
  index.extents[3].chunk_count = 1;
  index.superblock.model_digest = to_record(model_digest(index.tables()));
  bytes = index.seal();
  auto parsed = Index::parse(std::move(bytes), index.superblock);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message();
}

TEST(IndexCheckAllowed, ManyGroupsOutsideLayers) {
  EditableIndex index = sample_index();
  index.groups[2].stack = index.groups[2].layer = kNoLayer;
  index.tensors[4].stack = index.tensors[4].layer = kNoLayer;
  auto bytes = index.seal();
  EXPECT_TRUE(Index::parse(std::move(bytes), index.superblock).ok());
}

}  // namespace
}  // namespace qload::test
