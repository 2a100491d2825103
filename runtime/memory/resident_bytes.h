// How much of a block of memory is there already, and so is counted by the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace qload {

/// Bytes of `memory` that have pages. 0 when the kernel does not tell.
uint64_t resident_bytes(std::span<const std::byte> memory);

}  // namespace qload
