// Pack, verify, unpack, compare: what every round-trip test does with its own input.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "format/pack/restore.h"
#include "tests/support/test_files.h"

namespace qload::test {

/// Options for tests: two threads, however many processors there are.
PackOptions test_options();

/// Opens `input` and packs it. The source is closed again.
Result<PackReport> pack_path(const std::filesystem::path& input,
                             const std::filesystem::path& output, const PackOptions& options,
                             OpenAs as = OpenAs::kDetect);

/// Opens a container; fails the test when that fails.
Container open_container(const std::filesystem::path& path);

/// Packs `input` (a file, or a directory of shards), opens, verifies and unpacks it in a
/// directory of its own, and fails the test unless every file comes back byte for byte.
/// Returns the container's bytes.
std::vector<std::byte> expect_roundtrip(const std::filesystem::path& input,
                                        const PackOptions& options, OpenAs as = OpenAs::kDetect);

/// The same for a file of that name and content.
std::vector<std::byte> expect_roundtrip(std::string_view name, std::span<const std::byte> content,
                                        const PackOptions& options, OpenAs as = OpenAs::kDetect);

}  // namespace qload::test
