// Options and statistics of loading. Plain structs; every field has a default that suits most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "qload/tensor.h"

namespace qload {

/// What the library may assume about memory that a hook returns.
enum AllocatorFlags : uint32_t {
  kCpuWritable = 1u << 0,  ///< The CPU may write it. Required today.
  kPinned = 1u << 1,       ///< Already locked: reported as pinned, never mlocked by us.
  kNoDirectIo = 1u << 2,   ///< The kernel cannot read into it directly (device-mapped memory).
};

/// Memory hook for pinned, huge-page or device-visible memory. Null functions: the built-in
/// allocator (anonymous mapping, prefaulted beside the reads, locked when the limit allows).
/// Called on the thread that called load(); `release` on the thread that destroys the Weights.
struct Allocator {
  /// Returns `bytes` bytes on `alignment` (a power of two), or null when there is no memory.
  void* (*allocate)(void* context, size_t bytes, size_t alignment) = nullptr;
  void (*release)(void* context, void* block, size_t bytes) = nullptr;
  void* context = nullptr;
  uint32_t flags = kCpuWritable;  ///< AllocatorFlags.
};

enum class IoBackend : uint8_t {
  kAuto = 0,  ///< io_uring where it works, else pread threads; pread for a file in page cache.
  kUring = 1,
  kPread = 2,
};
enum class DirectIo : uint8_t {
  kOptional = 0,  ///< O_DIRECT where the file system grants it; with IoBackend::kAuto, a file that
                  ///< lies in the page cache is read from there.
  kRequired = 1,  ///< Fail rather than fall back.
  kDisabled = 2,  ///< Through the page cache.
};
enum class Verify : uint8_t {
  kChunks = 0,     ///< Check the checksum of every stored chunk before it is decoded.
  kIndexOnly = 1,  ///< Trust the storage: the index was checked at open.
  kDecoded = 2,    ///< kChunks, and the checksum of every decoded chunk.
};
enum class Pinning : uint8_t {
  kAuto = 0,  ///< mlock the destinations when the limit allows all of them; report whether.
  kNever = 1,
  kRequired = 2,  ///< Fail with kOutOfMemory when not all destinations can be locked.
};
enum class HugePages : uint8_t {
  kAuto = 0,  ///< Try both on the first pieces of the destination; huge pages unless they stall.
  kNever = 1,
  kAlways = 2,
};

/// What a load does with the page cache.
enum class PageCache : uint8_t {
  kAuto = 0,  ///< A file that lies in it is read from there; another is read around it (O_DIRECT).
  kKeep = 1,  ///< Read through it and leave the file there: for models that are loaded again soon.
  kDrop = 2,  ///< As kAuto, and the file is dropped from it afterwards: its memory is wanted.
  kBypass =
      3,  ///< Read around it even when the file lies there; as kDrop where O_DIRECT is refused.
};

/// How to open a model.
struct ModelOptions {
  /// Refuse (kUnsupported) a model that decodes to more than this many bytes. 0: no limit.
  uint64_t decoded_bytes_max = 0;
  /// When algorithm is not 0: fail with kUntrusted unless the model's digest is this one.
  Digest expected_digest = {};
};

/// Everything here is allocated once, in Loader::create. The environment overrides two fields,
/// for experiments on a device: QLOAD_IO=uring|pread, QLOAD_DIRECT=0|1;
/// and QLOAD_KERNEL=scalar|sse|avx2|avx512|neon chooses how chunks are decoded, once a process.
struct LoaderOptions {
  IoBackend io_backend = IoBackend::kAuto;
  DirectIo direct_io = DirectIo::kOptional;
  /// Most reads in flight, in [1, 4096]. A load that reads around the page cache finds out in its
  /// first tens of milliseconds whether smaller and fewer reads are faster on its drive.
  uint32_t queue_depth = 32;
  /// In [0, 1024]. 0: one for each processor of the affinity mask (or of `processors`), at most as
  /// many as the control group's CPU quota gives time to. Where processors differ in capacity and
  /// threads are fewer, they are bound to the set of the fastest.
  uint32_t decode_threads = 0;
  uint64_t staging_bytes =
      32ull << 20;                 ///< Stored bytes held at once by all loads, in [1 MiB, 1 GiB].
  uint32_t read_bytes = 1u << 20;  ///< Largest read, in [64 KiB, 16 MiB].
  Allocator staging_allocator = {};
  /// Bytes that the Loader may hold at once: staging, the tensors of all its Weights that are
  /// alive, the plan and scratch memory of the load that asks, and what is kept for reuse. Memory
  /// of hooks and of callers is theirs and does not count. 0: no bound of its own. Either way no
  /// more than the process's control group leaves when a load begins, less what loads under way
  /// will still fill. The staging area shrinks to a quarter of that (not below 4 MiB); a load that
  /// does not fit is refused with kBudgetTooSmall before it starts.
  uint64_t memory_bytes_max = 0;
  bool ignore_cgroup = false;  ///< Let the control group's memory limit and CPU quota be.
  /// Destination memory kept when Weights are destroyed, for later loads: their pages need no first
  /// touch. 0: none. Set it to the size of the model that is loaded again and again. Kept blocks
  /// stay locked; a load takes one that is at most twice what it needs; all are freed with the
  /// Loader, and earlier when a limit would refuse a load. A hook's memory is never kept.
  uint64_t reuse_bytes = 0;
  /// Added to the niceness of decode threads, in [-20, 19]. More than 0 when others on the machine
  /// matter more than the load. The kernel may refuse less than 0, which is ignored.
  int32_t thread_nice = 0;
  /// Processors that the Loader's threads may run on; empty: those of the affinity mask. A number
  /// that is not in the mask is kInvalidArgument. Read by Loader::create only.
  std::span<const uint32_t> processors = {};
};

struct Progress {
  uint64_t bytes_decoded;
  uint64_t bytes_total;
};

enum class LoadStage : uint8_t {
  kNone = 0,
  kStorage = 1,      ///< Waiting for reads bound the load.
  kDecode = 2,       ///< Decoding and checksums bound it.
  kDestination = 3,  ///< First touch of destination memory bound it.
  kPageCache = 4,    ///< Copying out of the page cache bound it.
};

/// What one load did. Times are seconds; busy times are summed over threads.
struct LoadStatistics {
  double seconds = 0;                ///< From the call to its return, allocation included.
  uint64_t bytes_decoded = 0;        ///< Put into destinations.
  uint64_t bytes_stored = 0;         ///< Of the chunks that were needed, a shared one once.
  uint64_t bytes_read = 0;           ///< From storage, alignment included.
  uint64_t bytes_read_in_place = 0;  ///< Read straight into destinations, without a copy.
  uint64_t read_count = 0;
  uint64_t short_read_count = 0;    ///< Reads that had to be resumed.
  uint64_t chunk_count = 0;         ///< Put into destinations, a shared one each time.
  double read_wait_seconds = 0;     ///< I/O thread: waiting for a read to finish.
  double staging_wait_seconds = 0;  ///< I/O thread: waiting for staging memory, nothing in flight.
  double decode_busy_seconds = 0;   ///< Decode threads: checksums and decoding.
  double cache_read_seconds = 0;   ///< Decode threads: copying a cached file out of the page cache.
  double decode_wait_seconds = 0;  ///< Decode threads: waiting for data.
  double prefault_busy_seconds = 0;  ///< Decode threads: first touch of destinations.
  uint32_t decode_threads = 0;
  uint32_t queue_depth = 0;
  uint32_t read_bytes =
      0;  ///< Largest single read at the end of the load, after tuning; 0: cached.
  uint64_t in_flight_bytes = 0;  ///< Most bytes in flight then.
  uint64_t staging_bytes = 0;
  uint64_t destination_bytes = 0;       ///< Allocated for this load; 0 for load_into.
  uint64_t pinned_bytes = 0;            ///< Of destination_bytes.
  uint64_t reused_bytes = 0;            ///< Of destination_bytes: memory of an earlier load.
  IoBackend engine = IoBackend::kAuto;  ///< What ran: kUring or kPread.
  bool direct = false;                  ///< Reads bypassed the page cache.
  bool direct_refused = false;          ///< O_DIRECT was tried, and refused at open or at a read.
  bool cached_file = false;             ///< The file was found in the page cache.
  bool registered_files = false;
  bool registered_buffers = false;
  bool huge_pages = false;             ///< Destinations were advised to use huge pages.
  LoadStage bound = LoadStage::kNone;  ///< What bound the load.
  uint32_t kernel_refusal = 0;         ///< errno with which io_uring was refused; 0: it was not.
};
/// Stable lower-case names for reports: "uring", "storage" ...
const char* io_backend_name(IoBackend backend);
const char* load_stage_name(LoadStage stage);
/// The instruction set that entropy-coded chunks are decoded with in this process: "scalar", "sse",
/// "avx2", "avx512" or "neon". Static storage.
const char* decode_kernel();

struct LoadOptions {
  Verify verify = Verify::kChunks;
  Pinning pinning = Pinning::kAuto;
  HugePages huge_pages = HugePages::kAuto;
  PageCache page_cache = PageCache::kAuto;
  Allocator allocator = {};  ///< For decoded tensors: one block for a whole load.
  /// On the calling thread, at least every 100 ms while the load runs, and once at its end. Must
  /// not throw; one that does cancels the load. Must not load on the same Loader.
  std::function<void(const Progress&)> on_progress = {};
  std::stop_token stop = {};             ///< Any thread may trip it; then kCancelled.
  LoadStatistics* statistics = nullptr;  ///< Filled when not null, on failure as far as it got.
};

}  // namespace qload
