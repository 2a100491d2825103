// Damaged containers: always an error, never a crash, and no memory that the file does not justify.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <set>

#include "format/base/bytes.h"
#include "format/base/limits.h"
#include "format/container/index_writer.h"
#include "tests/support/container_fixtures.h"
#include "tests/support/test_files.h"

namespace {

/// All bytes that `new` handed out: what opening may allocate is a sum, not a peak.
std::atomic<uint64_t> allocated_bytes = 0;

}  // namespace

// GCC 12 takes the malloc it inlined for one that only free of another kind may release.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(size_t bytes) {
  allocated_bytes += bytes;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  allocated_bytes += bytes;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace qload::test {
namespace {

/// Amendment of the format's design: opening allocates at most 4 times the index and 1 MiB.
constexpr uint64_t kOpenFixedBytes = 1u << 20;

std::vector<std::byte> sample_bytes() {
  TempDirectory directory;
  write_sample(directory / "sample.qpk");
  return read_file(directory / "sample.qpk");
}

/// A file in memory whose bytes can be changed and changed back without a new file.
class MemoryContainer {
 public:
  explicit MemoryContainer(std::span<const std::byte> bytes)
      : descriptor_(::memfd_create("qload_corruption", MFD_CLOEXEC)) {
    write(0, bytes);
  }
  ~MemoryContainer() { ::close(descriptor_); }
  MemoryContainer(const MemoryContainer&) = delete;
  MemoryContainer& operator=(const MemoryContainer&) = delete;

  void write(uint64_t offset, std::span<const std::byte> bytes) {
    ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    ASSERT_EQ(written, static_cast<ssize_t>(bytes.size()));
  }
  void truncate(uint64_t bytes) {
    ASSERT_EQ(::ftruncate(descriptor_, static_cast<off_t>(bytes)), 0);
  }
  Result<Container> open() const {
    auto file = File::from_descriptor(descriptor_, 0, 0, "damaged");
    if (!file.ok()) return file.error();
    return read_container(std::move(file).value());
  }

 private:
  int descriptor_;
};

TEST(ContainerCorruption, TruncatedAnywhere) {
  auto bytes = sample_bytes();
  auto superblock = load_le<Superblock>(bytes.data());
  std::set<uint64_t> lengths;
  for (uint64_t i = 0; i < kSuperblockBytes; ++i) lengths.insert(i);
  for (uint64_t i = superblock.index_offset; i < bytes.size(); ++i) lengths.insert(i);
  {
    Container container = read_container(memory_file(bytes)).value();
    for (const ExtentRecord& extent : container.index.extents()) {
      for (uint64_t at : {extent.offset, extent.offset + extent.bytes}) {
        lengths.insert({at - 1, at, at + 1});
      }
    }
    for (const ChunkRecord& chunk : container.index.chunks()) {
      lengths.insert({chunk.offset, chunk.offset + chunk.stored_bytes});
    }
  }
  MemoryContainer file(bytes);
  for (auto length = lengths.rbegin(); length != lengths.rend(); ++length) {
    if (*length >= bytes.size()) continue;
    file.truncate(*length);
    auto opened = file.open();
    ASSERT_FALSE(opened.ok()) << *length;
    ASSERT_EQ(opened.error().code(), ErrorCode::kCorrupt) << *length;
  }
}

TEST(ContainerCorruption, Lengthened) {
  auto bytes = sample_bytes();
  bytes.push_back(std::byte{0});
  auto opened = read_container(memory_file(bytes));
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message().find("too long"), std::string::npos);
}

TEST(ContainerCorruption, EverySuperblockAndIndexByteFlipped) {
  auto bytes = sample_bytes();
  uint64_t index_offset = load_le<Superblock>(bytes.data()).index_offset;
  MemoryContainer file(bytes);
  ASSERT_TRUE(file.open().ok());
  for (uint64_t at = 0; at < bytes.size(); ++at) {
    if (at == kSuperblockBytes) at = index_offset;
    for (std::byte mask : {std::byte{0x01}, std::byte{0x80}, std::byte{0xFF}}) {
      file.write(at, std::vector{bytes[at] ^ mask});
      auto opened = file.open();
      ASSERT_FALSE(opened.ok()) << "byte " << at;
      ErrorCode code = opened.error().code();
      ASSERT_TRUE(code == ErrorCode::kCorrupt || code == ErrorCode::kUnsupported) << at;
    }
    file.write(at, std::span(bytes).subspan(at, 1));
  }
  ASSERT_TRUE(file.open().ok());
}

TEST(ContainerCorruption, EveryStoredByteFlippedIsNamed) {
  auto bytes = sample_bytes();
  MemoryContainer file(bytes);
  Container container = file.open().value();
  DecodeContext context;
  std::vector<std::byte> stored;
  std::vector<std::byte> decoded;
  for (const ChunkRecord& chunk : container.index.chunks()) {
    decoded.resize(chunk.decoded_bytes);
    for (uint64_t at = chunk.offset; at < chunk.offset + chunk.stored_bytes; ++at) {
      file.write(at, std::vector{bytes[at] ^ std::byte{0x10}});
      Status read = read_chunk(container, chunk, context, stored, decoded);
      ASSERT_FALSE(read.ok()) << at;
      ASSERT_EQ(read.error().code(), ErrorCode::kCorrupt);
      ASSERT_NE(read.error().message().find("offset " + std::to_string(chunk.offset)),
                std::string::npos)
          << read.error().message();
      file.write(at, std::span(bytes).subspan(at, 1));
    }
    ASSERT_TRUE(read_chunk(container, chunk, context, stored, decoded).ok());
  }
  uint64_t first = container.index.chunks()[1].offset;
  file.write(first, std::vector{bytes[first] ^ std::byte{1}});
  decoded.resize(container.index.chunks()[1].decoded_bytes);
  Status read = read_chunk(container, container.index.chunks()[1], context, stored, decoded);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message().find("damaged: tensor \"embed\", chunk 1 of 2, offset"),
            std::string::npos)
      << read.error().message();
}

/// A superblock that lies, with a true checksum.
struct LyingSuperblock {
  const char* name;
  void (*change)(Superblock& superblock);
  ErrorCode code;
  const char* message;
};

TEST(ContainerCorruption, LyingSuperblocks) {
  const LyingSuperblock lies[] = {
      {"version", [](Superblock& s) { s.version = 2; }, ErrorCode::kUnsupported, "version 2"},
      {"features", [](Superblock& s) { s.incompatible_features = 1ull << 63 | 4; },
       ErrorCode::kUnsupported, "bits 2, 63"},
      {"reserved", [](Superblock& s) { s.reserved[3967] = 1; }, ErrorCode::kCorrupt, "reserved"},
      {"alignment 0", [](Superblock& s) { s.alignment = 0; }, ErrorCode::kCorrupt, "alignment 0"},
      {"alignment odd", [](Superblock& s) { s.alignment = 4097; }, ErrorCode::kCorrupt,
       "alignment"},
      {"alignment small", [](Superblock& s) { s.alignment = 2048; }, ErrorCode::kCorrupt,
       "alignment"},
      {"alignment large", [](Superblock& s) { s.alignment = 131072; }, ErrorCode::kCorrupt,
       "alignment"},
      {"index at 0", [](Superblock& s) { s.index_offset = 0; }, ErrorCode::kCorrupt,
       "index offset 0"},
      {"index unaligned", [](Superblock& s) { s.index_offset += 8; }, ErrorCode::kCorrupt,
       "index offset"},
      {"index past end", [](Superblock& s) { s.index_offset = ~0ull - 4095; }, ErrorCode::kCorrupt,
       "expected to end at"},
      {"index huge", [](Superblock& s) { s.index_bytes = kIndexBytesMax + 1; }, ErrorCode::kCorrupt,
       "at most"},
      {"index large", [](Superblock& s) { s.index_bytes = kIndexBytesMax; }, ErrorCode::kCorrupt,
       "expected to end at"},
      {"index overflows", [](Superblock& s) { s.index_bytes = ~0ull; }, ErrorCode::kCorrupt,
       "at most"},
      {"container large",
       [](Superblock& s) {
         s.index_bytes = kIndexBytesMax;
         s.container_bytes = s.index_offset + s.index_bytes;
       },
       ErrorCode::kCorrupt, "truncated"},
      {"no digest", [](Superblock& s) { s.model_digest = {}; }, ErrorCode::kCorrupt,
       "no model digest"},
      {"digest unknown", [](Superblock& s) { s.model_digest.algorithm = 9; },
       ErrorCode::kUnsupported, "digest algorithm 9"},
  };
  auto bytes = sample_bytes();
  for (const LyingSuperblock& lie : lies) {
    auto superblock = load_le<Superblock>(bytes.data());
    lie.change(superblock);
    superblock.checksum = superblock_checksum(superblock);
    auto damaged = bytes;
    store_le(damaged.data(), superblock);
    File file = memory_file(damaged);
    uint64_t before = allocated_bytes;
    auto opened = read_container(std::move(file));
    EXPECT_LE(allocated_bytes - before, 4 * bytes.size() + kOpenFixedBytes) << lie.name;
    ASSERT_FALSE(opened.ok()) << lie.name;
    EXPECT_EQ(opened.error().code(), lie.code) << lie.name;
    EXPECT_NE(opened.error().message().find(lie.message), std::string::npos)
        << lie.name << ": " << opened.error().message();
  }
  Superblock compatible = load_le<Superblock>(bytes.data());
  compatible.compatible_features = ~0ull;
  compatible.checksum = superblock_checksum(compatible);
  store_le(bytes.data(), compatible);
  EXPECT_TRUE(read_container(memory_file(bytes)).ok()) << "unknown compatible features are fine";
}

/// Damage under true checksums: an error or a different valid container, all of whose chunks can
/// be asked for.
TEST(ContainerCorruption, FlipsUnderTrueChecksumsDoNotCrash) {
  auto bytes = sample_bytes();
  uint64_t index_offset = load_le<Superblock>(bytes.data()).index_offset;
  DecodeContext context;
  std::vector<std::byte> stored;
  std::vector<std::byte> decoded;
  uint64_t opened_count = 0;
  for (uint64_t at = index_offset; at < bytes.size(); ++at) {
    for (std::byte mask : {std::byte{0x01}, std::byte{0x80}, std::byte{0xFF}}) {
      auto damaged = bytes;
      damaged[at] ^= mask;
      reseal(damaged);
      auto opened = read_container(memory_file(damaged));
      if (!opened.ok()) continue;
      ++opened_count;
      for (const ChunkRecord& chunk : opened->index.chunks()) {
        decoded.resize(chunk.decoded_bytes);
        (void)read_chunk(*opened, chunk, context, stored, decoded).ok();
      }
    }
  }
  EXPECT_GT(opened_count, 100u) << "damage that only checksums would have found";
}

/// Opens a container of `tensor_count` empty tensors and as many one-byte ones.
TEST(ContainerCorruption, OpeningAllocatesLittle) {
  constexpr uint32_t kTensors = 20'000;
  TempDirectory directory;
  SampleWriter writer(directory / "many.qpk", {});
  writer.add_file({"many.bin", 0, kTensors, 0});
  writer.begin_group(kNoLayer, kNoLayer);
  for (uint32_t i = 0; i < kTensors; ++i) {
    std::string name = "t" + std::to_string(i);
    writer.tensor({"e" + name, DType::kU8, {0}, 0, 0, i}, {});
    writer.tensor({name, DType::kU8, {1}, 1, 0, i}, to_bytes("x"));
  }
  writer.kept(0, {});
  writer.finish();
  File file = File::open(directory / "many.qpk").value();
  uint64_t before = allocated_bytes;
  auto opened = read_container(std::move(file));
  uint64_t allocated = allocated_bytes - before;
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_LE(allocated, 4 * opened->index.bytes() + kOpenFixedBytes);
  EXPECT_GE(allocated, opened->index.bytes()) << "the counter counts";
}

}  // namespace
}  // namespace qload::test
