#include "bench/load/contender.h"

#include <array>

namespace qload::bench {
namespace {

constexpr std::array kContenders = {
    ContenderKind{"read-1", ContenderInput::kPlain, true,
                  "buffered read() of the plain file, one thread", make_read_1},
    ContenderKind{"read-N", ContenderInput::kPlain, true,
                  "buffered pread() of the plain file, N threads; warm, a copy from the page cache",
                  make_read_n},
    ContenderKind{"mmap", ContenderInput::kPlain, true,
                  "plain file mapped, one thread touches every page", make_mmap},
    ContenderKind{"mmap-N", ContenderInput::kPlain, true,
                  "plain file mapped, N threads touch every page", make_mmap_n},
    ContenderKind{"mmap-willneed", ContenderInput::kPlain, true,
                  "mapped, MADV_WILLNEED, N threads touch every page", make_mmap_willneed},
    ContenderKind{"mmap-populate", ContenderInput::kPlain, true, "mapped with MAP_POPULATE",
                  make_mmap_populate},
    ContenderKind{"odirect-uring", ContenderInput::kPlain, true,
                  "plain file by O_DIRECT io_uring, 1 MiB reads, depth 32, prefaulted",
                  make_direct_uring},
    ContenderKind{"read-after", ContenderInput::kCompressed, true,
                  "zstd -1 of the whole file, read() while N threads decode", make_read_after},
    ContenderKind{"mmap-after", ContenderInput::kCompressed, true,
                  "zstd -1 of the whole file, mapped while N threads decode", make_mmap_after},
    ContenderKind{"qload", ContenderInput::kPacked, true, "the container, by libqload's defaults",
                  make_qload},
    ContenderKind{"qload-pread", ContenderInput::kPacked, false, "qload without io_uring",
                  make_qload_pread},
    ContenderKind{"qload-buffered", ContenderInput::kPacked, false, "qload without O_DIRECT",
                  make_qload_buffered},
    ContenderKind{"qload-pinned", ContenderInput::kPacked, false,
                  "qload with every destination locked (root)", make_qload_pinned},
    ContenderKind{"qload-unpinned", ContenderInput::kPacked, false,
                  "qload with no destination locked", make_qload_unpinned},
    ContenderKind{"qload-verify-none", ContenderInput::kPacked, false,
                  "qload without checksums of chunks", make_qload_verify_none},
    ContenderKind{"qload-again", ContenderInput::kPacked, false,
                  "a second load: model open, Loader made, destination already touched",
                  make_qload_again},
    ContenderKind{"memcpy-warm", ContenderInput::kPlain, false,
                  "memcpy of the plain file, already mapped, to fresh memory, N threads",
                  make_memcpy_warm, true},
};

}  // namespace

std::span<const ContenderKind> all_contenders() { return kContenders; }

}  // namespace qload::bench
