// The roofline of a load: what storage, decoding and first touch each would take alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/direct_read.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/storage_reader.h"
#include "format/container/container_reader.h"
#include "qload/result.h"

namespace qload::bench {

/// One measurement of the three rates, taken beside one load. Bytes per second.
struct RooflinePair {
  double storage_rate = 0;  ///< S: container bytes, no decoding.
  double decode_rate = 0;   ///< D: decoded bytes, container and destination in memory.
  double touch_rate = 0;    ///< F: fresh destination memory.
  double seconds = 0;       ///< max(C / S, R / D, R / F).
  double cpu_seconds = 0;   ///< R / D + R / F: they share the processors.
  double load_seconds = 0;  ///< Of the load beside it.
  double efficiency() const { return load_seconds > 0 ? seconds / load_seconds : 0; }
};

/// The roofline's copy of the container takes at most this share of the memory available, as its
/// decoded form and a load's destination need room at the same time.
inline constexpr uint64_t kRooflineMemoryShare = 5;

struct RooflineOptions {
  uint32_t threads = 1;           ///< That load the container and try pages, in create().
  uint64_t memory_bytes_max = 0;  ///< Container bytes held in memory; more: a sample of chunks.
  /// Each measurement of S from storage reads for so long, from where the one before has ended; 0:
  /// all of the container.
  double storage_seconds_max = 0;
};

/// Measures them on one container. One thread calls it.
class Roofline {
 public:
  /// Opens the container, loads its chunks (or an even sample) into memory, sweeps read sizes and
  /// depths once, and chooses the faster kind of pages. Run it before a throttle is set.
  static Result<std::unique_ptr<Roofline>> create(const std::filesystem::path& packed,
                                                  const RooflineOptions& options);
  ~Roofline();

  /// S, D and F now, D and F by `threads` threads. `cached`: the container is in the page cache,
  /// and S is pread() by as many.
  Result<RooflinePair> measure(bool cached, uint32_t threads);

  ReadShape shape() const { return shape_; }                       ///< Best of the sweep.
  double sweep_rate() const { return sweep_rate_; }                ///< Its rate then.
  const std::string& method() const { return reader_->method(); }  ///< "uring, direct".
  bool huge_pages() const { return huge_pages_; }                  ///< Pages of F.
  double sampled_share() const;  ///< Of the container's decoded bytes in D.

 private:
  struct SampledChunk;
  Roofline(Container container, const RooflineOptions& options);
  Status sweep();
  Status load_chunks();
  Status choose_pages();
  Result<double> decode_rate(std::span<std::byte> destination, uint32_t threads);

  Container container_;
  RooflineOptions options_;
  std::unique_ptr<StorageReader> reader_;
  ReadShape shape_;
  double sweep_rate_ = 0;
  bool huge_pages_ = false;
  std::vector<SampledChunk> chunks_;
  FreshMemory stored_;
  uint64_t sampled_bytes_ = 0;  // Decoded.
};

}  // namespace qload::bench
