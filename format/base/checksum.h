// XXH3 checksums (xxHash specification 0.8). The only file that knows the library is checksum.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "qload/tensor.h"

namespace qload {

/// XXH3-64 of `bytes`, seed 0.
uint64_t checksum64(std::span<const std::byte> bytes);

/// XXH3-128 of `bytes` as a Digest (algorithm 1).
Digest digest_of(std::span<const std::byte> bytes);

/// XXH3-128 over bytes that arrive in pieces. One thread at a time. Movable.
class DigestStream {
 public:
  DigestStream();
  ~DigestStream();
  DigestStream(DigestStream&&) noexcept;
  DigestStream& operator=(DigestStream&&) noexcept;

  void update(std::span<const std::byte> bytes);
  Digest finish() const;  ///< Of all bytes so far; more may follow.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qload
