// A small packed model with its source bytes at hand, to check what a loader returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "qload/loader.h"
#include "tests/support/test_files.h"

namespace qload::test {

/// A container and the bytes every tensor must have once loaded.
struct PackedModel {
  std::filesystem::path path;
  std::map<std::string, std::vector<std::byte>> tensors;
};

/// Packs tensors of every kind a loader meets: coded INT8 of several chunks, incompressible bytes
/// of several chunks (read in place), BF16 and F32 planes, zeros, many tiny tensors, empty ones,
/// one coded and one raw duplicate. About 19 MB decoded. Fails the test when packing does.
PackedModel pack_loader_fixture(const TempDirectory& directory, uint64_t chunk_bytes = 256u << 10);

/// Checks every byte of every view against the model; all tensors must be there when `whole`.
void expect_weights(const Weights& weights, const PackedModel& model, bool whole = true);

}  // namespace qload::test
