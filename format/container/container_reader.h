// Opening a container: superblock, then one read for the index.
#pragma once

#include "format/base/file.h"
#include "format/container/index.h"
#include "format/container/layout.h"

namespace qload {

/// An opened container: its file and its proven index.
struct Container {
  File file;
  Superblock superblock;
  Index index;
};

struct ContainerReadOptions {
  /// Refuse a model that decodes to more bytes than this (kUnsupported). 0: no limit.
  uint64_t decoded_bytes_max = 0;
};

/// True when `file` starts with the container's magic number.
bool is_container(const File& file);

/// Reads and proves superblock and index. Allocates at most four times the index and 1 MiB,
/// and never more than the file's size allows. Errors carry the file's name.
Result<Container> read_container(File file, const ContainerReadOptions& options = {});

/// Reads, checks and decodes `chunk` (any chunk of the container) into `decoded`, through
/// `stored` as scratch. For tools and headers; loading goes through the runtime's pipeline.
Status read_chunk(const Container& container, const ChunkRecord& chunk, DecodeContext& context,
                  std::vector<std::byte>& stored, std::span<std::byte> decoded);

/// The first `bytes` kept bytes of source file number `file`: its header, or all of a companion.
/// REQUIRES: file < files().size(), bytes <= kept_bytes.
Result<std::vector<std::byte>> read_kept(const Container& container, uint32_t file, uint64_t bytes);

}  // namespace qload
