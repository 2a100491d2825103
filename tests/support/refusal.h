// Makes this process and what it executes meet the refusals of other machines: containers without
// io_uring, file systems without O_DIRECT, small limits on locked memory.
#pragma once

#include <cstdint>
#include <optional>

namespace qload::test {

struct Refusals {
  int uring_error = 0;  ///< io_uring_setup fails with this errno.
  bool direct = false;  ///< open with O_DIRECT fails with EINVAL (openat2 is not seen through).
  std::optional<uint64_t> memlock_bytes = {};  ///< RLIMIT_MEMLOCK, and CAP_IPC_LOCK is dropped.
};

/// Applies them to the calling process, for good: call it in a child. 0, or the errno of what
/// cannot be applied (EINVAL under qemu-user, which has no seccomp).
int apply_refusals(const Refusals& refusals);

}  // namespace qload::test
