// Writer to reader: what goes in comes out, where the placement rules want it.
#include "format/container/container_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/container_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

Container open_container(const std::filesystem::path& path,
                         const ContainerReadOptions& options = {}) {
  auto file = File::open(path);
  EXPECT_TRUE(file.ok());
  auto container = read_container(std::move(file).value(), options);
  if (!container.ok()) ADD_FAILURE() << container.error().message();
  return std::move(container).value();
}

std::vector<std::byte> decode_tensor(const Container& container, std::string_view name) {
  auto number = container.index.find(name);
  EXPECT_TRUE(number.has_value()) << name;
  const TensorRecord& tensor = container.index.tensors()[number.value_or(0)];
  std::vector<std::byte> bytes(tensor.bytes);
  DecodeContext context;
  std::vector<std::byte> stored;
  for (const ChunkRecord& chunk : container.index.chunks_of(tensor)) {
    auto into = std::span(bytes).subspan(chunk.decoded_offset, chunk.decoded_bytes);
    Status status = read_chunk(container, chunk, context, stored, into);
    EXPECT_TRUE(status.ok());
  }
  return bytes;
}

/// Every byte outside superblock, chunks and index is zero.
void expect_zero_padding(const std::filesystem::path& path, const Index& index) {
  auto bytes = read_file(path);
  uint64_t position = kSuperblockBytes;
  auto expect_zeros = [&](uint64_t end) {
    for (; position < end; ++position) ASSERT_EQ(bytes[position], std::byte{0}) << position;
  };
  for (const ChunkRecord& chunk : index.chunks()) {
    expect_zeros(chunk.offset);
    position = chunk.offset + chunk.stored_bytes;
  }
  expect_zeros(bytes.size() - index.bytes());
}

TEST(Container, SampleComesBack) {
  TempDirectory directory;
  write_sample(directory / "sample.qpk");
  Container container = open_container(directory / "sample.qpk");
  const Index& index = container.index;
  ASSERT_EQ(index.files().size(), 2u);
  ASSERT_EQ(index.tensors().size(), 5u);
  ASSERT_EQ(index.groups().size(), 3u);
  EXPECT_EQ(index.path(index.files()[0]), kSamplePath);
  EXPECT_EQ(index.path(index.files()[1]), kSampleCompanionPath);
  EXPECT_EQ(index.name(index.tensors()[1]), "model.layers.0.w");
  EXPECT_EQ(index.tensors()[1].layer, 0u);
  EXPECT_EQ(index.tensors()[0].layer, kNoLayer);
  EXPECT_EQ(index.groups()[1].tensor_count, 3u);
  EXPECT_EQ(index.groups()[1].bytes, 28u);
  auto shape = index.shape(index.tensors()[0]);
  EXPECT_EQ(std::vector(shape.begin(), shape.end()), (std::vector<uint64_t>{2, 8}));
  EXPECT_EQ(index.chunks_of(index.tensors()[0]).size(), 2u);
  EXPECT_EQ(index.find("model.layers.0.none"), 3u);
  EXPECT_EQ(index.find("model.layers.0.non"), std::nullopt);
  EXPECT_EQ(index.find(""), std::nullopt);
  EXPECT_EQ(index.find("z"), std::nullopt);
  EXPECT_EQ(container.superblock.decoded_bytes, 47u);
  EXPECT_EQ(decode_tensor(container, "embed"), to_bytes("0123456789abcdef"));
  EXPECT_EQ(decode_tensor(container, "model.layers.0.zero"), std::vector<std::byte>(16));
  EXPECT_EQ(restore_source(container, 0).value(), sample_source());
  EXPECT_EQ(restore_source(container, 1).value(), to_bytes(kSampleCompanion));
  expect_zero_padding(directory / "sample.qpk", index);
}

TEST(Container, KeptBytesAreReadAsFarAsAsked) {
  TempDirectory directory;
  write_sample(directory / "sample.qpk");
  Container container = open_container(directory / "sample.qpk");
  EXPECT_EQ(read_kept(container, 1, 0).value(), to_bytes(""));
  EXPECT_EQ(read_kept(container, 1, 2).value(), to_bytes("he"));
  EXPECT_EQ(read_kept(container, 1, 5).value(), to_bytes("hello"));
}

TEST(Container, OfNothing) {
  TempDirectory directory;
  SampleWriter(directory / "none.qpk", {}).finish();
  Container container = open_container(directory / "none.qpk");
  EXPECT_TRUE(container.index.files().empty());
  EXPECT_EQ(container.superblock.index_offset, kSuperblockBytes);
}

TEST(Container, OfAnEmptyRawFile) {
  TempDirectory directory;
  SampleWriter writer(directory / "empty.qpk", {});
  writer.add_file({"empty.bin", 0, 0, 0});
  writer.begin_group(kNoLayer, kNoLayer);
  writer.tensor({"empty.bin", DType::kU8, {0}, 0, 0, 0}, {});
  writer.kept(0, {});
  writer.finish();
  Container container = open_container(directory / "empty.qpk");
  ASSERT_EQ(container.index.tensors().size(), 1u);
  EXPECT_TRUE(container.index.chunks().empty());
  EXPECT_TRUE(container.index.extents().empty());
  EXPECT_EQ(restore_source(container, 0).value(), to_bytes(""));
}

/// One raw file of `tensors`, each cut into chunks of `chunk_bytes`.
struct Layout {
  ContainerWriterOptions options;
  size_t chunk_bytes = 1u << 20;
  std::vector<std::vector<std::byte>> tensors;
  CodecId codec = CodecId::kStore;
};

Container write_layout(const std::filesystem::path& path, const Layout& layout) {
  uint64_t bytes = 0;
  for (const auto& tensor : layout.tensors) bytes += tensor.size();
  SampleWriter writer(path, layout.options);
  writer.add_file({"file", 0, bytes, 0});
  writer.begin_group(kNoLayer, kNoLayer);
  uint64_t offset = 0;
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const auto& tensor = layout.tensors[i];
    writer.tensor({"t" + std::to_string(i), DType::kU8, {tensor.size()}, 0, 0, offset}, tensor,
                  layout.chunk_bytes, FilterId::kNone, layout.codec);
    offset += tensor.size();
  }
  writer.kept(0, {});
  writer.finish();
  return open_container(path);
}

TEST(Container, SmallTensorsShareAnExtent) {
  TempDirectory directory;
  Layout layout;
  layout.tensors = {random_bytes(100, 1), random_bytes(65535, 2), random_bytes(7, 3)};
  Container container = write_layout(directory / "a.qpk", layout);
  ASSERT_EQ(container.index.extents().size(), 1u);
  EXPECT_EQ(container.index.chunks()[1].offset, 4096u + 100);
  EXPECT_EQ(container.index.chunks()[2].offset, 4096u + 100 + 65535);
}

// Group 1 has no chunk of its own, and one of its tensors is a duplicate of a duplicate.
TEST(Container, DuplicatesShareChunks) {
  TempDirectory directory;
  const auto large = random_bytes(200'000, 1);
  const auto small = random_bytes(10, 2);
  SampleWriter writer(directory / "a.qpk", {});
  writer.add_file({"file", 0, 3 * 200'000 + 2 * 10, 0});
  writer.begin_group(0, 0);
  writer.tensor({"a", DType::kU8, {200'000}, 0, 0, 0}, large, 64u << 10);
  writer.tensor({"empty", DType::kU8, {0}, 0, 0, 0}, {});
  writer.tensor({"b", DType::kU8, {10}, 0, 0, 200'000}, small);
  writer.begin_group(0, 1);
  writer.duplicate({"c", DType::kU8, {200'000}, 0, 0, 200'010}, 200'000, 0);
  writer.duplicate({"d", DType::kI8, {2, 100'000}, 0, 0, 400'010}, 200'000, 3);
  writer.begin_group(kNoLayer, kNoLayer);
  writer.duplicate({"e", DType::kU8, {10}, 0, 0, 600'010}, 10, 2);
  writer.duplicate({"none", DType::kU8, {0}, 0, 0, 0}, 0, 1);
  writer.kept(0, {});
  writer.finish();
  Container container = open_container(directory / "a.qpk");
  const Index& index = container.index;
  EXPECT_EQ(index.chunks().size(), 5u);
  EXPECT_EQ(index.extents().size(), 1u);
  ASSERT_EQ(index.groups().size(), 3u);
  EXPECT_EQ(index.groups()[1].bytes, 400'000u);
  EXPECT_EQ(container.superblock.decoded_bytes, 600'020u);
  for (const char* name : {"a", "c", "d"}) {
    EXPECT_EQ(index.tensors()[*index.find(name)].stored_bytes, 200'000u);
    EXPECT_TRUE(decode_tensor(container, name) == large) << name;
  }
  EXPECT_EQ(decode_tensor(container, "e"), small);
  std::vector<std::byte> file;
  for (const auto& part : {large, small, large, large, small}) {
    file.insert(file.end(), part.begin(), part.end());
  }
  EXPECT_TRUE(restore_source(container, 0).value() == file);
  expect_zero_padding(directory / "a.qpk", index);
}

class ContainerAlignment : public testing::TestWithParam<uint64_t> {};

TEST_P(ContainerAlignment, LargeRawChunksAgreeWithTheirPlace) {
  TempDirectory directory;
  Layout layout;
  layout.options.alignment = GetParam();
  layout.options.extent_bytes = 1u << 18;
  layout.chunk_bytes = 100'001;
  layout.tensors = {random_bytes(100, 1), random_bytes(65536, 2), random_bytes(1'000'000, 3),
                    random_bytes(65535, 4)};
  Container container = write_layout(directory / "a.qpk", layout);
  const Index& index = container.index;
  for (uint32_t number : {1u, 2u}) {
    auto chunks = index.chunks_of(index.tensors()[number]);
    EXPECT_EQ(chunks[0].offset % GetParam(), 0u);
    for (const ChunkRecord& chunk : chunks) {
      EXPECT_EQ(chunk.offset - chunk.decoded_offset, chunks[0].offset) << "a run is not torn";
    }
  }
  EXPECT_EQ(index.chunks_of(index.tensors()[2]).size(), 10u);
  EXPECT_GT(index.extents().size(), 1u);
  for (const ExtentRecord& extent : index.extents()) EXPECT_EQ(extent.offset % GetParam(), 0u);
  EXPECT_EQ(index.extents()[0].offset, std::max<uint64_t>(kSuperblockBytes, GetParam()));
  expect_zero_padding(directory / "a.qpk", index);
  EXPECT_EQ(decode_tensor(container, "t2"), layout.tensors[2]);
}

INSTANTIATE_TEST_SUITE_P(All, ContainerAlignment, testing::Values(4096, 16384, 65536));

TEST(Container, RawChunkAfterACodedOneAgreesModuloAlignment) {
  TempDirectory directory;
  std::vector<std::byte> bytes(70'000);  // Zeros: a constant chunk, then random ones.
  auto noise = random_bytes(150'000, 5);
  bytes.insert(bytes.end(), noise.begin(), noise.end());
  Layout layout;
  layout.chunk_bytes = 70'000;
  layout.tensors = {bytes};
  Container container = write_layout(directory / "a.qpk", layout);
  auto chunks = container.index.chunks();
  ASSERT_EQ(chunks.size(), 4u);
  EXPECT_EQ(chunks[0].stored_bytes, 1u);
  EXPECT_EQ(chunks[1].offset % 4096, 70'000u % 4096);
  EXPECT_EQ(chunks[2].offset, chunks[1].offset + 70'000);
  EXPECT_EQ(chunks[3].offset, chunks[2].offset + 70'000) << "the short tail continues the run";
  EXPECT_EQ(decode_tensor(container, "t0"), bytes);
}

TEST(Container, ExtentsCloseOnceFullAndForGroups) {
  TempDirectory directory;
  Layout layout;
  layout.options.extent_bytes = 1u << 16;
  layout.chunk_bytes = 30'000;
  layout.codec = CodecId::kZstd;
  layout.tensors = {gaussian_int8(300'000, 4, 1)};
  Container container = write_layout(directory / "a.qpk", layout);
  for (const ExtentRecord& extent : container.index.extents().first(2)) {
    EXPECT_GE(extent.bytes, 1u << 16);
    EXPECT_LT(extent.bytes, (1u << 16) + 32768 + 4096);
  }
  write_sample(directory / "b.qpk");
  Container sample = open_container(directory / "b.qpk");
  ASSERT_EQ(sample.index.extents().size(), 4u) << "three groups, and the kept bytes of all files";
}

TEST(Container, SameInputSameBytesAndDigestKnowsNoRecipe) {
  TempDirectory directory;
  write_sample(directory / "a.qpk");
  write_sample(directory / "b.qpk");
  write_sample(directory / "c.qpk", {.alignment = 16384});
  EXPECT_EQ(read_file(directory / "a.qpk"), read_file(directory / "b.qpk"));
  EXPECT_NE(read_file(directory / "a.qpk"), read_file(directory / "c.qpk"));
  Digest digest = model_digest(open_container(directory / "a.qpk").index);
  EXPECT_EQ(digest.algorithm, 1u);
  EXPECT_EQ(digest, model_digest(open_container(directory / "c.qpk").index));

  Layout layout;
  layout.tensors = {gaussian_int8(300'000, 4, 1), random_bytes(10, 2)};
  Digest whole = model_digest(write_layout(directory / "d.qpk", layout).index);
  layout.chunk_bytes = 7777;
  layout.codec = CodecId::kZstd;
  EXPECT_EQ(whole, model_digest(write_layout(directory / "e.qpk", layout).index));
  layout.tensors[0][5] ^= std::byte{1};
  EXPECT_NE(whole, model_digest(write_layout(directory / "f.qpk", layout).index));
}

TEST(Container, LoadOrderDoesNotChangeTheModelDigest) {
  TempDirectory directory;
  auto write = [&](const char* name, bool swapped) {
    SampleWriter writer(directory / name, {});
    writer.add_file({"file", 0, 8, 0});
    for (bool second : {swapped, !swapped}) {
      writer.begin_group(0, second);
      writer.tensor({second ? "b" : "a", DType::kU8, {4}, 4, 0, second ? 4u : 0u},
                    to_bytes(second ? "5678" : "1234"));
    }
    writer.kept(0, {});
    writer.finish();
    return open_container(directory / name);
  };
  Container forward = write("a.qpk", false);
  Container backward = write("b.qpk", true);
  EXPECT_EQ(backward.index.name(backward.index.tensors()[0]), "b");
  EXPECT_EQ(model_digest(forward.index), model_digest(backward.index));
}

TEST(Container, InsideAnotherFile) {
  TempDirectory directory;
  write_sample(directory / "sample.qpk");
  auto bytes = read_file(directory / "sample.qpk");
  auto outer = random_bytes(1001, 1);
  outer.insert(outer.end(), bytes.begin(), bytes.end());
  write_file(directory / "outer", outer);
  int descriptor = ::open((directory / "outer").c_str(), O_RDONLY | O_CLOEXEC);
  for (uint64_t given : {uint64_t{0}, uint64_t{bytes.size()}}) {
    auto file = File::from_descriptor(descriptor, 1001, given, "outer");
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE(is_container(*file));
    auto container = read_container(std::move(file).value());
    ASSERT_TRUE(container.ok()) << container.error().message();
    EXPECT_EQ(restore_source(*container, 0).value(), sample_source());
  }
  auto short_file = File::from_descriptor(descriptor, 1001, bytes.size() - 1, "outer");
  auto container = read_container(std::move(short_file).value());
  ASSERT_FALSE(container.ok());
  EXPECT_NE(container.error().message().find("outer: truncated"), std::string::npos)
      << container.error().message();
  ::close(descriptor);
}

TEST(Container, DecodedBytesLimit) {
  TempDirectory directory;
  write_sample(directory / "sample.qpk");
  uint64_t kept = 0;
  {
    Container container = open_container(directory / "sample.qpk");
    for (const FileRecord& file : container.index.files()) kept += file.kept_bytes;
  }
  open_container(directory / "sample.qpk", {.decoded_bytes_max = kept});
  auto refused =
      read_container(File::open(directory / "sample.qpk").value(), {.decoded_bytes_max = kept - 1});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
}

TEST(ContainerWriter, LeavesNothingUnlessFinished) {
  TempDirectory directory;
  {
    SampleWriter writer(directory / "a.qpk", {});
    writer.add_file({"f", 0, 3, 0});
    writer.begin_group(kNoLayer, kNoLayer);
    writer.tensor({"f", DType::kU8, {3}, 3, 0, 0}, to_bytes("abc"));
  }
  EXPECT_TRUE(list_directory(directory.path()).empty());
}

TEST(ContainerWriter, ReplacesOnlyWhenTold) {
  TempDirectory directory;
  write_sample(directory / "a.qpk");
  EXPECT_FALSE(ContainerWriter::create(directory / "a.qpk", {}).ok());
  write_sample(directory / "a.qpk", {.overwrite = true});
}

TEST(ContainerWriter, RefusesWhatNoReaderWouldTake) {
  TempDirectory directory;
  auto bad = ContainerWriter::create(directory / "a.qpk", {.alignment = 2048});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code(), ErrorCode::kInvalidArgument);
  auto writer = ContainerWriter::create(directory / "a.qpk", {});
  ASSERT_TRUE(writer.ok());
  writer->add_file({"f", 0, 0, 0});
  writer->begin_group(kNoLayer, kNoLayer);
  for (int i = 0; i < 2; ++i) {
    writer->begin_tensor({"twice", DType::kU8, {0}, 0, 0, 0});
    writer->end_tensor({});
  }
  writer->begin_kept(0);
  writer->end_kept({});
  auto finished = writer->finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_NE(finished.error().message().find("does not follow"), std::string::npos);
  writer = Error(ErrorCode::kIo, "dropped");
  EXPECT_TRUE(list_directory(directory.path()).empty());
}

TEST(ContainerWriterDeathTest, AssertsItsCallOrder) {
  TempDirectory directory;
  auto writer = ContainerWriter::create(directory / "a.qpk", {});
  ASSERT_TRUE(writer.ok());
  EXPECT_DEATH(writer->begin_tensor({}), "phase");
  EXPECT_DEATH(writer->end_tensor({}), "phase");
  EXPECT_DEATH((void)writer->append_chunk({}), "phase");
  EXPECT_DEATH(writer->begin_kept(0), "kept_file");
  writer->add_file({"f", 0, 4, 0});
  EXPECT_DEATH((void)writer->finish(), "kept_file");
  writer->begin_group(kNoLayer, kNoLayer);
  EXPECT_DEATH(writer->add_file({}), "phase");
  EXPECT_DEATH(writer->begin_tensor({"t", DType::kU8, {5}, 5, 0, 0}), "kept_bytes");
  EXPECT_DEATH(writer->add_duplicate({}, 0), "original");
  writer->begin_tensor({"t", DType::kU8, {4}, 4, 0, 0});
  EXPECT_DEATH(writer->begin_group(0, 0), "phase");
  EXPECT_DEATH(writer->end_tensor({}), "decoded_bytes");
  EXPECT_DEATH(writer->add_duplicate({}, 0), "phase");
}

}  // namespace
}  // namespace qload::test
