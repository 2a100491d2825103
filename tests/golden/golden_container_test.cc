// The committed container: today's reader, and the reader written from docs/format.md alone, must
// both see what was put in. QLOAD_WRITE_GOLDEN=1 writes it anew: only for a new file, never to
// make a failing test pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "format/base/bytes.h"
#include "format/container/container_reader.h"
#include "tests/support/container_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::test {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(QLOAD_GOLDEN_DIRECTORY) / "v1_small.qpk";

/// Seeds for tests/fuzz/fuzz_container.cc: its control byte, then an index, or a whole container.
void write_fuzz_seeds(const std::filesystem::path& sample, const std::filesystem::path& empty) {
  auto corpus = std::filesystem::path(QLOAD_GOLDEN_DIRECTORY) / "../fuzz/corpus/container";
  std::filesystem::create_directories(corpus);
  for (const auto& [name, path] : {std::pair("sample", sample), std::pair("empty", empty)}) {
    auto bytes = read_file(path);
    uint64_t index_offset = load_le<Superblock>(bytes.data()).index_offset;
    auto pages = static_cast<std::byte>(index_offset / kSuperblockBytes - 1);
    std::vector<std::byte> seed = {std::byte{1} | pages << 1};
    seed.insert(seed.end(), bytes.begin() + static_cast<ptrdiff_t>(index_offset), bytes.end());
    write_file(corpus / (std::string(name) + "_index"), seed);
  }
  auto bytes = read_file(empty);
  bytes.insert(bytes.begin(), std::byte{0});
  write_file(corpus / "empty_whole", bytes);
}

TEST(GoldenContainer, ReadsToKnownContent) {
  if (std::getenv("QLOAD_WRITE_GOLDEN") != nullptr) {
    write_sample(kGolden, {.overwrite = true});
    TempDirectory directory;
    SampleWriter(directory / "empty.qpk", {}).finish();
    write_fuzz_seeds(kGolden, directory / "empty.qpk");
  }
  auto container = read_container(File::open(kGolden).value());
  ASSERT_TRUE(container.ok()) << container.error().message();
  ASSERT_EQ(container->index.files().size(), 2u);
  EXPECT_EQ(container->index.path(container->index.files()[0]), kSamplePath);
  EXPECT_EQ(container->index.path(container->index.files()[1]), kSampleCompanionPath);
  EXPECT_EQ(restore_source(*container, 0).value(), sample_source());
  EXPECT_EQ(restore_source(*container, 1).value(), to_bytes(kSampleCompanion));
  const uint8_t expected[16] = {0x96, 0xb1, 0xda, 0xbd, 0x0c, 0xf9, 0x43, 0x8f,
                                0xd9, 0x3f, 0xd6, 0x22, 0xc5, 0x6d, 0x55, 0xf6};
  const Digest digest = model_digest(container->index);
  EXPECT_TRUE(std::ranges::equal(std::span(digest.bytes).first(16), expected))
      << "the model digest's definition is frozen";
}

/// Runs the independent reader: nothing when it fails, else what it printed.
std::optional<std::string> run_python(const std::string& arguments,
                                      const std::filesystem::path& output) {
  std::string command = "python3 " + (kGolden.parent_path() / "read_container.py").string() + " " +
                        arguments + " > " + output.string() + " 2>&1";
  int status = std::system(command.c_str());
  auto bytes = read_file(output);
  std::string printed(as_text(bytes));
  if (status != 0) return std::nullopt;
  return printed;
}

TEST(GoldenContainer, ReaderWrittenFromTheDocumentAgrees) {
  if (std::system("python3 -c 'import struct' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no python3 here";
  }
  TempDirectory directory;
  auto out = directory / "restored";
  auto printed = run_python(kGolden.string() + " " + out.string(), directory / "log");
  ASSERT_TRUE(printed.has_value()) << as_text(read_file(directory / "log"));
  EXPECT_NE(printed->find("model.layers.0.w F16 [6] 12 bytes, layer 0.0"), std::string::npos)
      << *printed;
  EXPECT_EQ(read_file(out / kSamplePath), sample_source());
  EXPECT_EQ(read_file(out / kSampleCompanionPath), to_bytes(kSampleCompanion));

  const auto shared = random_bytes(10'000, 1);
  SampleWriter writer(directory / "shared.qpk", {});
  writer.add_file({"one", 0, 2 * 10'000 + 1, 1});
  writer.add_file({"two", 0, 10'000, 0});
  writer.begin_group(0, 0);
  writer.tensor({"a", DType::kU8, {10'000}, 0, 0, 10'001}, shared, 3000);
  writer.begin_group(0, 1);
  writer.duplicate({"b", DType::kU8, {100, 100}, 0, 0, 1}, 10'000, 0);
  writer.duplicate({"c", DType::kI8, {10'000}, 0, 1, 0}, 10'000, 1);
  writer.kept(0, to_bytes("k"));
  writer.kept(1, {});
  writer.finish();
  printed = run_python((directory / "shared.qpk").string() + " " + out.string(), directory / "log");
  ASSERT_TRUE(printed.has_value()) << as_text(read_file(directory / "log"));
  EXPECT_TRUE(read_file(out / "two") == shared);
  auto one = to_bytes("k");
  for (int i = 0; i < 2; ++i) one.insert(one.end(), shared.begin(), shared.end());
  EXPECT_TRUE(read_file(out / "one") == one);

  write_sample(directory / "a.qpk", {.alignment = 65536});
  EXPECT_TRUE(run_python((directory / "a.qpk").string(), directory / "log").has_value());
  auto bytes = read_file(directory / "a.qpk");
  bytes.pop_back();
  write_file(directory / "short.qpk", bytes);
  EXPECT_FALSE(run_python((directory / "short.qpk").string(), directory / "log").has_value());
}

}  // namespace
}  // namespace qload::test
