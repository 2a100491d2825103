// ReadEngine: asynchronous reads of up to eight files into memory. It has never heard of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "qload/options.h"
#include "qload/result.h"

namespace qload {

/// One read. The memory belongs to the engine from submit until its Completion.
struct Read {
  uint64_t offset = 0;  ///< In the file the descriptors name (not the container).
  std::byte* data = nullptr;
  uint32_t bytes = 0;
  uint32_t bytes_required = 0;  ///< Success needs this many; the rest may lie past the end.
  uint32_t tag = 0;             ///< Returned in the Completion.
  bool direct = false;  ///< Through the O_DIRECT descriptor: offset, data and bytes aligned.
  uint32_t file = 0;    ///< The file slot it reads, filled by attach_at().
};

struct Completion {
  uint32_t tag = 0;
  int error_number = 0;  ///< 0, or the errno of the failure; ENODATA: the file ended early.
  uint32_t bytes = 0;    ///< At least bytes_required when error_number is 0.
};

/// Files that one engine reads at a time: each load under way has a slot.
inline constexpr uint32_t kFileSlots = 8;

/// A file being read. -1: not available. Descriptors are borrowed for the engine's attachment.
struct ReadFiles {
  int buffered = -1;
  int direct = -1;
  uint32_t direct_alignment = 4096;
};

struct EngineCounters {
  uint64_t short_reads = 0;
};

/// One thread (the I/O thread) owns an engine: creates it, submits, waits, destroys.
/// Interrupted, short and would-block transfers are resumed inside; with `direct`, from the last
/// aligned byte.
class ReadEngine {
 public:
  virtual ~ReadEngine() = default;
  virtual IoBackend backend() const = 0;

  /// Directs following reads of slot `file` to `files`; none: lets go of the last. REQUIRES: file <
  /// kFileSlots, and nothing of that slot in flight.
  virtual Status attach_at(uint32_t file, const ReadFiles& files) = 0;
  /// The same for slot 0, for callers that read one file.
  Status attach(const ReadFiles& files) { return attach_at(0, files); }
  /// Starts `read`. REQUIRES: fewer than depth() in flight. A failure to start comes back as a
  /// Completion.
  virtual void submit(const Read& read) = 0;
  /// Blocks until at least one read finished or wake() was called; fills `out`, returns how many
  /// finished. REQUIRES: at least one in flight. Always makes progress; cannot fail.
  virtual size_t wait(std::span<Completion> out) = 0;
  /// Makes a wait() under way, or the next one, return early. Any thread. Where the kernel has no
  /// means for it, nothing happens: the owner looks up at the next completion.
  virtual void wake() = 0;

  /// Registers memory that most reads go to from now on, when the kernel allows: it then looks up
  /// its pages once, which touches all of them. At most once for an engine. Reads may be in flight.
  virtual void register_memory(std::span<std::byte> /*memory*/) {}

  virtual uint32_t depth() const = 0;
  virtual uint32_t in_flight() const = 0;
  /// True once the kernel stopped serving this engine (a sandbox entered after its creation):
  /// every read fails, and another engine is needed.
  virtual bool broken() const { return false; }
  virtual bool files_registered() const { return false; }
  virtual bool buffers_registered() const { return false; }
  virtual EngineCounters counters() const = 0;
};

struct EngineOptions {
  uint32_t queue_depth = 32;
  /// Given to register_memory() at once. May be empty.
  std::span<std::byte> staging = {};
};

/// The io_uring engine, probed by use: sets up a ring and reads through it once. Fails with
/// kUnsupported and the errno in `*refusal` (when not null) where the kernel refuses.
Result<std::unique_ptr<ReadEngine>> make_uring_engine(const EngineOptions& options, int* refusal);
/// The engine of pread threads; works everywhere. At most `threads` run at once.
Result<std::unique_ptr<ReadEngine>> make_pread_engine(const EngineOptions& options,
                                                      uint32_t threads);

}  // namespace qload
