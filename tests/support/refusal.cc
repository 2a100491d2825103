#include "tests/support/refusal.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace qload::test {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

/// A seccomp filter as a list of rules, each of which answers or falls through to the next.
class Filter {
 public:
  Filter() {
    // A call of another architecture (32-bit) is let through: its numbers mean other calls.
    load(offsetof(seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  }

  void refuse_call(long number, int error_number) {
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1);
    answer(error_number);
  }

  /// Refuses the call when its argument has any bit of `mask`.
  void refuse_call_with(long number, unsigned argument, uint32_t mask, int error_number) {
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3);
    load(static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * argument));  // Its low half.
    add(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
    answer(error_number);
  }

  int install() {
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    const sock_fprog program = {static_cast<unsigned short>(code_.size()), code_.data()};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
  }

 private:
  void add(unsigned code, uint32_t value, uint8_t if_true, uint8_t if_false) {
    code_.push_back({static_cast<uint16_t>(code), if_true, if_false, value});
  }
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset), 0, 0); }
  void answer(int error_number) {
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error_number), 0, 0);
  }

  std::vector<sock_filter> code_;
};

int limit_locked_memory(uint64_t bytes) {
  const rlimit limit = {bytes, bytes};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return errno;
  // Out of the bounding set, so that root does not get it back by exec. Needs CAP_SETPCAP: without
  // that the process is no root, and has no CAP_IPC_LOCK to get back.
  prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return errno;
  constexpr uint32_t kLock = 1u << CAP_IPC_LOCK;
  data[0].effective &= ~kLock;
  data[0].permitted &= ~kLock;
  data[0].inheritable &= ~kLock;
  return syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

}  // namespace

int apply_refusals(const Refusals& refusals) {
  if (refusals.memlock_bytes) {
    if (const int failed = limit_locked_memory(*refusals.memlock_bytes); failed != 0) return failed;
  }
  if (refusals.uring_error == 0 && !refusals.direct) return 0;
  Filter filter;
  if (refusals.uring_error != 0) filter.refuse_call(SYS_io_uring_setup, refusals.uring_error);
  if (refusals.direct) {
    filter.refuse_call_with(SYS_openat, 2, O_DIRECT, EINVAL);
#ifdef SYS_open
    filter.refuse_call_with(SYS_open, 1, O_DIRECT, EINVAL);
#endif
  }
  return filter.install();
}

}  // namespace qload::test
