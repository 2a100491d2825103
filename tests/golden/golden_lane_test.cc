// lane_huffman streams written once and for ever, one for each feature of the format. Every kernel,
// the second implementation and the decoder written from docs/format_lane_huffman.md alone
// (lane_huffman.py) must give the bytes their writer had.
//
// tests/golden/lane holds u32 decoded bytes, u32 stored bytes and the stored bytes; the content is
// computed here. QLOAD_WRITE_GOLDEN=1 writes the missing files and never touches those that exist.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "format/base/bytes.h"
#include "tests/support/lane_planes.h"
#include "tests/support/lane_reference.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
using test::LaneRecipe;

const fs::path kFolder = fs::path(QLOAD_GOLDEN_DIRECTORY) / "lane";

/// Numbers that are the same for ever: a linear congruential generator's upper bits.
struct Numbers {
  uint32_t state = 2026;
  uint32_t next(uint32_t limit) {
    state = state * 1664525 + 1013904223;
    return (state >> 16) % limit;
  }
};

/// `count` bytes around 0, the nearer the more frequent: sums of numbers below `width`, less as
/// much as centres them.
Bytes weights(size_t count, uint32_t width) {
  Numbers numbers;
  Bytes bytes(count);
  for (std::byte& byte : bytes) {
    const uint32_t sum = numbers.next(width) + numbers.next(width) + numbers.next(width);
    byte = static_cast<std::byte>(sum - (width - 1) * 3 / 2);
  }
  return bytes;
}

/// The example of the document.
Bytes example() {
  Bytes bytes(450, std::byte{'a'});
  for (size_t row = 0; row < 7; ++row) {
    bytes[64 * row] = std::byte{'c'};
    bytes[64 * row + 1] = row < 3 ? std::byte{'b'} : std::byte{'c'};
  }
  bytes[64 * 5 + 2] = std::byte{'Z'};
  bytes[64 * 6 + 2] = std::byte{'!'};
  bytes[448] = std::byte{'n'};
  bytes[449] = std::byte{'o'};
  return bytes;
}

/// A code of `lengths` from `first` on, others escaped.
LaneRecipe recipe_of(uint32_t groups, uint32_t raw_bits, uint32_t first,
                     std::vector<uint8_t> lengths, uint32_t escape_length) {
  LaneRecipe recipe;
  recipe.groups = groups;
  recipe.raw_bits = raw_bits;
  recipe.first_symbol = first;
  recipe.lengths = std::move(lengths);
  recipe.escape_length = escape_length;
  return recipe;
}

struct Golden {
  std::string name;
  Bytes content;
  Bytes (*write)(const Bytes& content);
};

Bytes encode(const Bytes& content) {
  std::string disagreement;
  Bytes stored = test::LaneEncoders().encode(content, disagreement);
  EXPECT_EQ(disagreement, "");
  return stored;
}

template <uint32_t kRawBits>
Bytes write_raw(const Bytes& content) {
  constexpr uint32_t kFirst = (256 >> kRawBits) - 2;
  return test::reference_stream(recipe_of(1, kRawBits, kFirst, {3, 2, 2, 4, 0, 5, 5}, 2), content);
}

Bytes write_segments(const Bytes& content) {
  const std::span<const std::byte> bytes(content);
  return test::join_segments(
      false, 16,
      {test::reference_segment(recipe_of(4, 0, 7, {0}, 0), bytes.first(65'536)),
       test::reference_segment(recipe_of(1, 1, 127, {1, 2}, 2), bytes.subspan(65'536))});
}

Bytes write_nested(const Bytes& content) {
  const LaneRecipe inner = recipe_of(1, 2, 62, {2, 2, 2, 2}, 0);
  LaneRecipe recipe = recipe_of(1, 0, 0, {1}, 1);
  recipe.nested = &inner;
  return test::reference_stream(recipe, content);
}

Bytes write_nibbles(const Bytes& content) {
  LaneRecipe recipe = recipe_of(1, 0, 13, {3, 3, 4, 2, 3, 4, 5, 5, 5, 6, 6, 7, 7, 6, 5, 4}, 0);
  recipe.nibbles = true;
  return test::reference_stream(recipe, content);
}

Bytes nested_content() {
  Bytes bytes = weights(3000, 4);
  for (std::byte& byte : bytes) byte = byte == std::byte{4} ? std::byte{3} : byte;
  return bytes;
}

Bytes segments_content() {
  Bytes bytes(65'536, std::byte{7});
  const Bytes rest = weights(500, 2);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

/// 32 KiB for 4 groups, of little entropy.
Bytes sparse(size_t count) {
  Numbers numbers;
  Bytes bytes(count, std::byte{200});
  for (size_t i = 0; i < count; i += 1 + numbers.next(40)) {
    bytes[i] = static_cast<std::byte>(196 + numbers.next(8));
  }
  return bytes;
}

std::vector<Golden> all_golden() {
  return {
      {"empty", {}, encode},
      {"example", example(),
       [](const Bytes& content) {
         return test::reference_stream(recipe_of(1, 0, 'a', {1, 2, 3}, 3), content);
       }},
      {"plain_segment", example(),
       [](const Bytes& content) {
         return test::join_segments(false, 0, {test::reference_plain_segment(content)});
       }},
      {"lone", Bytes(5000, std::byte{0x3C}), encode},
      {"raw_1", weights(700, 5), write_raw<1>},
      {"raw_2", weights(700, 10), write_raw<2>},
      {"raw_3", weights(700, 20), write_raw<3>},
      {"raw_4", weights(700, 40), write_raw<4>},
      {"escapes_nested", nested_content(), write_nested},
      {"nibbles", weights(800, 30), write_nibbles},
      {"segments", segments_content(), write_segments},
      {"four_groups", sparse(32'768 + 77), encode},
      {"four_groups_raw_escapes", weights(1111, 9),
       [](const Bytes& content) {
         return test::reference_stream(recipe_of(4, 1, 126, {2, 2, 2, 3}, 3), content);
       }},
      {"weights_narrow", weights(2500, 8), encode},
      {"weights_wide", weights(6000, 60), encode},
  };
}

Bytes bundle_of(const Bytes& stored, size_t decoded_bytes) {
  ByteWriter writer;
  writer.write(static_cast<uint32_t>(decoded_bytes));
  writer.write(static_cast<uint32_t>(stored.size()));
  writer.write_bytes(stored);
  return writer.bytes();
}

Bytes stored_of(const Bytes& file) { return {file.begin() + 8, file.end()}; }

TEST(GoldenLane, EveryDecoderReadsThem) {
  const bool write = getenv("QLOAD_WRITE_GOLDEN") != nullptr;
  test::LaneDecoders decoders;
  for (const Golden& golden : all_golden()) {
    const fs::path path = kFolder / golden.name;
    if (!fs::exists(path) && write) {
      fs::create_directories(kFolder);
      test::write_file(path, bundle_of(golden.write(golden.content), golden.content.size()));
    }
    ASSERT_TRUE(fs::exists(path)) << path << ": write it with QLOAD_WRITE_GOLDEN=1";
    const Bytes file = test::read_file(path);
    const Bytes stored = stored_of(file);
    ASSERT_EQ(file, bundle_of(stored, golden.content.size())) << path;
    const auto outcome = decoders.decode(stored, golden.content.size());
    ASSERT_TRUE(outcome.ok) << path << ": " << outcome.message;
    EXPECT_EQ(outcome.disagreement, "") << path;
    EXPECT_EQ(outcome.decoded, golden.content) << path;
    EXPECT_EQ(test::reference_decode(stored, golden.content.size()), golden.content) << path;
  }
}

/// The features that the names promise.
TEST(GoldenLane, TheyHoldWhatTheyAreFor) {
  const auto field = [](const char* name, size_t at) {
    return static_cast<uint32_t>(stored_of(test::read_file(kFolder / name)).at(at));
  };
  for (uint32_t raw_bits = 1; raw_bits <= 4; ++raw_bits) {
    const std::string name = "raw_" + std::to_string(raw_bits);
    EXPECT_EQ(field(name.c_str(), test::kRawBitsAt), raw_bits);
    EXPECT_NE(field(name.c_str(), test::kEscapeCountAt), 0u) << name;
  }
  EXPECT_EQ(field("nibbles", 0), 1u);
  EXPECT_EQ(field("segments", 1), 16u);
  EXPECT_EQ(field("lone", test::kGroupSizesAt), 0u);
  EXPECT_EQ(field("four_groups", test::kGroupsAt), 4u);
  EXPECT_EQ(field("plain_segment", test::kGroupsAt), 0u);
  EXPECT_NE(field("escapes_nested", test::kEscapeBytesAt),
            field("escapes_nested", test::kEscapeCountAt));
}

/// As Python's zlib.crc32.
std::string crc32_text(const Bytes& bytes) {
  uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  char text[9];
  snprintf(text, sizeof text, "%08x", ~crc);
  return text;
}

/// lane_huffman streams of the golden chunks, as bundles.
std::vector<Bytes> golden_chunk_streams() {
  std::vector<Bytes> bundles;
  for (const auto& entry : fs::directory_iterator(kFolder.parent_path() / "chunks")) {
    const Bytes file = test::read_file(entry.path());
    ByteReader reader(file);
    reader.read<uint8_t>();
    const uint32_t stream_count = reader.read<uint8_t>().value();
    reader.read<uint32_t>();
    auto stored = std::span(file).subspan(6 + 9 * stream_count);
    for (uint32_t i = 0; i < stream_count; ++i) {
      const uint8_t codec = reader.read<uint8_t>().value();
      const uint32_t stored_bytes = reader.read<uint32_t>().value();
      const uint32_t decoded_bytes = reader.read<uint32_t>().value();
      const auto stream = stored.first(stored_bytes);
      stored = stored.subspan(stored_bytes);
      if (codec == 3) bundles.push_back(bundle_of({stream.begin(), stream.end()}, decoded_bytes));
    }
  }
  std::ranges::sort(bundles);  // The folder has no order.
  return bundles;
}

TEST(GoldenLane, TheDecoderWrittenFromTheDocumentAgrees) {
  if (std::system("python3 -c 'import struct' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no python3 here";
  }
  std::vector<Bytes> bundles = golden_chunk_streams();
  EXPECT_GE(bundles.size(), 7u);
  for (const Golden& golden : all_golden()) {
    bundles.push_back(test::read_file(kFolder / golden.name));
  }
  std::mt19937_64 random(1);  // Damage, and every refusal with it.
  for (size_t i = 0, sound = bundles.size(); i < 400; ++i) {
    const Bytes& from = bundles[random() % sound];
    if (from.size() > 1500) continue;
    Bytes stored = stored_of(from);
    test::corrupt_lane_stream(random, stored);
    bundles.push_back(bundle_of(stored, load_le<uint32_t>(from.data())));
  }
  test::LaneDecoders decoders;
  Bytes all;
  std::vector<std::string> expected;
  for (const Bytes& bundle : bundles) {
    all.insert(all.end(), bundle.begin(), bundle.end());
    const auto outcome = decoders.decode(stored_of(bundle), load_le<uint32_t>(bundle.data()));
    expected.push_back(outcome.ok ? "ok " + crc32_text(outcome.decoded) : "corrupt");
  }
  test::TempDirectory directory;
  test::write_file(directory / "bundle", all);
  const std::string script = (kFolder.parent_path() / "lane_huffman.py").string();
  const std::string output = (directory / "out").string();
  const std::string command = "python3 -B " + script + " " + (directory / "bundle").string() +
                              " 2>&1 | sed 's/^corrupt: .*/corrupt/' > " + output;
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream lines(output);
  std::string line;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(std::getline(lines, line)) << "stream " << i;
    ASSERT_EQ(line, expected[i]) << "stream " << i;
  }
  EXPECT_FALSE(std::getline(lines, line)) << line;
}

}  // namespace
}  // namespace qload
