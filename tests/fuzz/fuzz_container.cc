// Fuzz target: containers from hostile bytes, opened and decoded whole.
//
// Input: a control byte, then the rest. Control bit 0: 0 = the rest is a container as it stands,
// 1 = the rest is an index; superblock and bits 1 to 4 times 4 KiB of data are made for it, and
// all checksums are made true, so that the checks behind them are reached.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "format/base/bytes.h"
#include "format/container/index_check.h"
#include "tests/support/container_fixtures.h"

namespace {

using namespace qload;

/// Constant chunks make gigabytes out of nothing; a fuzzer needs no more than this.
constexpr uint64_t kDecodedBytesMax = 1u << 24;

/// A wrong answer is as bad as a crash: make it one.
void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_container: %s\n", what);
  std::abort();
}

std::vector<std::byte> container_around(std::span<const std::byte> index, uint64_t data_pages) {
  Superblock superblock = {};
  std::memcpy(superblock.magic, kContainerMagic, sizeof superblock.magic);
  superblock.version = kContainerVersion;
  superblock.alignment = 4096;
  superblock.index_offset = (1 + data_pages) * 4096;
  superblock.model_digest.algorithm = 1;
  // The sum of tensor bytes is no checksum, but as hard to guess.
  std::vector<std::byte> copy(index.begin(), index.end());
  if (auto tables = read_sections(copy, superblock.index_offset); tables.ok()) {
    for (const TensorRecord& tensor : tables->tensors) superblock.decoded_bytes += tensor.bytes;
  }
  std::vector<std::byte> container(superblock.index_offset);
  for (size_t i = sizeof superblock; i < container.size(); ++i) {
    container[i] = static_cast<std::byte>(i * 7);
  }
  store_le(container.data(), superblock);
  container.insert(container.end(), index.begin(), index.end());
  return container;
}

void check_lookups(const Index& index) {
  for (uint32_t i = 0; i < index.tensors().size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    require(index.find(index.name(tensor)) == i, "a tensor is not found by its name");
    uint64_t bytes = 0;
    for (const ChunkRecord& chunk : index.chunks_of(tensor)) bytes += chunk.decoded_bytes;
    require(bytes == tensor.bytes, "chunks do not add up to their tensor");
  }
}

void decode_all(const Container& container) {
  DecodeContext context;
  std::vector<std::byte> stored;
  std::vector<std::byte> decoded;
  for (const ChunkRecord& chunk : container.index.chunks()) {
    decoded.resize(chunk.decoded_bytes);
    Status read = read_chunk(container, chunk, context, stored, decoded);
    require(read.ok() || read.error().code() == ErrorCode::kCorrupt,
            "a chunk failed with an error other than corrupt");
  }
  for (uint32_t i = 0; i < container.index.files().size(); ++i) {
    uint64_t bytes = container.index.files()[i].kept_bytes;
    auto kept = read_kept(container, i, bytes);
    require(!kept.ok() || kept->size() == bytes, "kept bytes of another size");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  std::vector<std::byte> container;
  if (data[0] & 1) {
    container = container_around(rest, data[0] >> 1 & 15);
    test::reseal(container);
  } else {
    container.assign(rest.begin(), rest.end());
  }
  auto opened =
      read_container(test::memory_file(container), {.decoded_bytes_max = kDecodedBytesMax});
  if (!opened.ok()) {
    require(opened.error().code() == ErrorCode::kCorrupt ||
                opened.error().code() == ErrorCode::kUnsupported,
            "opening failed with an error other than corrupt or unsupported");
    return 0;
  }
  check_lookups(opened->index);
  decode_all(*opened);
  return 0;
}
