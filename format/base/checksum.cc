#include "format/base/checksum.h"

#include <cstring>

#include "format/base/assert.h"
#include "format/base/checksum_kernels.h"

// Inlined, so that the vector width is the compiler's and no symbol is exported.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace qload {

namespace {

using Xxh3 = uint64_t(const void* data, size_t bytes);

// __builtin_cpu_supports also asks whether the system saves the wide registers.
Xxh3* widest_xxh3() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return xxh3_avx512;
  if (__builtin_cpu_supports("avx2") != 0) return xxh3_avx2;
#endif
  return xxh3_baseline;
}

Digest to_xxh3_digest(XXH128_hash_t hash) {
  Digest digest;
  digest.algorithm = 1;
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::memcpy(digest.bytes, canonical.digest, sizeof canonical.digest);
  return digest;
}

}  // namespace

uint64_t xxh3_baseline(const void* data, size_t bytes) { return XXH3_64bits(data, bytes); }

// The compiler's baseline of x86-64 is SSE2, at which XXH3 takes an eighth of a load's processor
// time; the wider forms give the same checksum in half of it (docs/performance.md, "Filters and
// checksums").
uint64_t checksum64(std::span<const std::byte> bytes) {
  static Xxh3* const xxh3 = widest_xxh3();
  return xxh3(bytes.data(), bytes.size());
}

Digest digest_of(std::span<const std::byte> bytes) {
  return to_xxh3_digest(XXH3_128bits(bytes.data(), bytes.size()));
}

struct DigestStream::State {
  XXH3_state_t xxh3;
};

DigestStream::DigestStream() : state_(std::make_unique<State>()) { reset(); }
DigestStream::~DigestStream() = default;
DigestStream::DigestStream(DigestStream&&) noexcept = default;
DigestStream& DigestStream::operator=(DigestStream&&) noexcept = default;

void DigestStream::reset() { QLOAD_ASSERT(XXH3_128bits_reset(&state_->xxh3) == XXH_OK); }

void DigestStream::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  QLOAD_ASSERT(XXH3_128bits_update(&state_->xxh3, bytes.data(), bytes.size()) == XXH_OK);
}

Digest DigestStream::finish() const { return to_xxh3_digest(XXH3_128bits_digest(&state_->xxh3)); }

}  // namespace qload
