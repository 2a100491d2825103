#include "format/base/checksum.h"

#include <cstring>

#include "format/base/assert.h"

// Inlined, so that the vector width is the compiler's and no symbol is exported.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace qload {

namespace {

Digest to_xxh3_digest(XXH128_hash_t hash) {
  Digest digest;
  digest.algorithm = 1;
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::memcpy(digest.bytes, canonical.digest, sizeof canonical.digest);
  return digest;
}

}  // namespace

uint64_t checksum64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
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
