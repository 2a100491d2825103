// Stores that go around the processor's cache, for large results that nobody reads soon. An
// ordinary store first reads the line that it will overwrite; of a decoder that fills memory near
// its speed this takes a third of the time (docs/performance.md, "Where the time goes").
#pragma once

#include <cstddef>
#include <span>

namespace qload {

/// Whether this build has such stores. The processors of other builds notice by themselves that
/// whole lines are written one after the other.
#if defined(__x86_64__)
inline constexpr bool kHasStoresAroundCache = true;
#else
inline constexpr bool kHasStoresAroundCache = false;
#endif

/// Copies source to the front of destination, around the cache where this build can.
/// REQUIRES: destination is at least as long; they do not overlap.
void copy_around_cache(std::span<std::byte> destination, std::span<const std::byte> source);

/// Makes what this thread stored around the cache visible to threads that it synchronises with
/// afterwards.
void finish_stores_around_cache();

}  // namespace qload
