// Chunks written once and for ever: today's decoder must give the bytes their writer had.
//
// tests/golden/chunks holds one file for each filter and codec: a form and stored bytes. The
// content is computed here. To add files for a new filter or codec, run this test with
// QLOAD_WRITE_GOLDEN=1: it writes the missing ones and never touches those that exist. Encoders
// may change (zstd's output differs between its versions), so encoded bytes are not compared.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "format/base/bytes.h"
#include "format/chunk/chunk.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

namespace fs = std::filesystem;

/// 2003 bytes (no multiple of 8) that gain under every filter: whole numbers of 8 bytes whose low
/// bytes vary in a narrow range, as weights do; for the constant codec, one byte repeated.
std::vector<std::byte> content(CodecId codec) {
  std::vector<std::byte> bytes(2003, std::byte{0});
  if (codec == CodecId::kConstant) {
    std::fill(bytes.begin(), bytes.end(), std::byte{0x3C});
    return bytes;
  }
  uint32_t state = 12345;
  for (size_t i = 0; i < bytes.size(); ++i) {
    state = state * 1664525 + 1013904223;
    const uint32_t small = (state >> 24) % 4 * ((state >> 16) % 3);
    bytes[i] = static_cast<std::byte>(i % 8 < 6 ? small : 0);
  }
  return bytes;
}

/// filter, stream count, then codec, stored and decoded size of each stream, then stored bytes.
std::vector<std::byte> to_file(const ChunkForm& form, std::span<const std::byte> stored) {
  ByteWriter writer;
  writer.write(static_cast<uint8_t>(form.filter));
  writer.write(static_cast<uint8_t>(form.stream_count));
  writer.write(form.decoded_bytes);
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    writer.write(static_cast<uint8_t>(form.streams[i].codec));
    writer.write(form.streams[i].stored_bytes);
    writer.write(form.streams[i].decoded_bytes);
  }
  writer.write_bytes(stored);
  return writer.bytes();
}

std::span<const std::byte> from_file(std::span<const std::byte> file, ChunkForm& form) {
  ByteReader reader(file);
  form.filter = static_cast<FilterId>(reader.read<uint8_t>().value());
  form.stream_count = reader.read<uint8_t>().value();
  form.decoded_bytes = reader.read<uint32_t>().value();
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    form.streams[i].codec = static_cast<CodecId>(reader.read<uint8_t>().value());
    form.streams[i].stored_bytes = reader.read<uint32_t>().value();
    form.streams[i].decoded_bytes = reader.read<uint32_t>().value();
    form.stored_bytes += form.streams[i].stored_bytes;
  }
  return reader.read_bytes(reader.remaining()).value();
}

/// A form with `codec` in every stream where it gains, and the filter kept in any case.
ChunkForm encode_golden(const Filter& filter, const Codec& codec,
                        std::span<const std::byte> decoded, std::vector<std::byte>& stored) {
  EncodeContext context;
  ChunkForm form = encode_chunk(context, decoded, {.filter = filter.id, .codec = codec.id}, stored);
  if (codec.id != CodecId::kStore) return form;
  // The encoder writes such a chunk raw; a reader takes it with its filter all the same.
  form = {.filter = filter.id, .decoded_bytes = static_cast<uint32_t>(decoded.size())};
  form.stream_count = filter.stream_count;
  stored.assign(decoded.size(), std::byte{0});
  std::vector<std::span<std::byte>> planes;
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    const auto bytes = static_cast<uint32_t>(filter.stream_bytes(decoded.size(), i));
    form.streams[i] = {CodecId::kStore, bytes, bytes};
    planes.push_back(std::span(stored).subspan(form.stored_bytes, bytes));
    form.stored_bytes += bytes;
  }
  filter.split(decoded, planes);
  return form;
}

TEST(GoldenChunk, TodaysDecoderReadsThem) {
  const fs::path folder = fs::path(QLOAD_GOLDEN_DIRECTORY) / "chunks";
  const bool write = getenv("QLOAD_WRITE_GOLDEN") != nullptr;
  DecodeContext context;
  for (const Filter& filter : all_filters()) {
    for (const Codec& codec : all_codecs()) {
      const fs::path path = folder / (std::string(filter.name) + "." + std::string(codec.name));
      const auto expected = content(codec.id);
      if (!fs::exists(path) && write) {
        fs::create_directories(folder);
        std::vector<std::byte> stored;
        const ChunkForm form = encode_golden(filter, codec, expected, stored);
        test::write_file(path, to_file(form, stored));
      }
      ASSERT_TRUE(fs::exists(path)) << path << ": write it with QLOAD_WRITE_GOLDEN=1";
      const auto file = test::read_file(path);
      ChunkForm form;
      const auto stored = from_file(file, form);
      const auto checked = check_chunk_form(form);
      ASSERT_TRUE(checked.ok()) << path << ": " << checked.error().message();
      EXPECT_EQ(form.filter, filter.id) << path;
      const auto uses = [&](const StreamForm& stream) { return stream.codec == codec.id; };
      EXPECT_TRUE(std::any_of(form.streams.begin(), form.streams.begin() + form.stream_count, uses))
          << path;
      ASSERT_EQ(stored.size(), form.stored_bytes) << path;
      std::vector<std::byte> decoded(form.decoded_bytes);
      const auto status = decode_chunk(context, form, stored, decoded);
      ASSERT_TRUE(status.ok()) << path << ": " << status.error().message();
      EXPECT_EQ(decoded, expected) << path;
    }
  }
}

/// The reader that knows docs/format.md and nothing else knows every filter; of the codecs, those
/// that need no library.
TEST(GoldenChunk, ReaderWrittenFromTheDocumentAgrees) {
  if (std::system("python3 -c 'import struct' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no python3 here";
  }
  const fs::path golden(QLOAD_GOLDEN_DIRECTORY);
  const test::TempDirectory decoded;
  std::string command =
      "python3 " + (golden / "read_container.py").string() + " --chunks " + decoded.path().string();
  for (const Filter& filter : all_filters()) {
    for (const char* codec : {"store", "constant"}) {
      command += " " + (golden / "chunks" / filter.name).string() + "." + codec;
    }
  }
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  for (const Filter& filter : all_filters()) {
    const std::string name(filter.name);
    EXPECT_EQ(test::read_file(decoded / (name + ".store")), content(CodecId::kStore)) << name;
    EXPECT_EQ(test::read_file(decoded / (name + ".constant")), content(CodecId::kConstant)) << name;
  }
}

}  // namespace
}  // namespace qload
