// Passes over a model as one contender makes them: timed, with an engine's work in between, every
// byte checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qload/result.h"
#include "qload/stream.h"

namespace qload::bench {

class PassContender;
struct PassModel;

/// A tensor of the layer at hand.
struct PassTensor {
  uint32_t tensor = 0;  ///< Number in Index::tensors().
  std::span<const std::byte> data;
};

/// One pass. The thread that computes is the one that asks for layers.
struct PassSample {
  double seconds = 0;  ///< From the first layer's request to the next pass's.
  /// Processor time of that thread's work. In it a mapped file's page faults are handled.
  double compute_seconds = 0;
  double request_seconds = 0;      ///< That thread was in next().
  double load_seconds = 0;         ///< Some layer was being loaded; 0: not known.
  double decode_busy_seconds = 0;  ///< Summed over threads; qload's.
  double cpu_seconds = 0;          ///< Of the whole process.
  uint64_t bytes_read = 0;         ///< From storage.

  /// The computing thread did not compute.
  double wait_seconds() const { return seconds > compute_seconds ? seconds - compute_seconds : 0; }
  /// Share of load_seconds that was not spent in next(); 0 where that is not known.
  double overlap() const;
};

/// What one contender did in a process of its own.
struct PassRun {
  uint64_t resident_bytes = 0;
  std::optional<StreamFacts> facts;  ///< qload's.
  std::vector<PassSample> passes;    ///< Without the one to warm up.
  uint64_t resident_peak_bytes = 0;  ///< Of the process's resident memory, mapped files included.
};

struct PassWork {
  uint32_t passes = 3;         ///< After one that is not counted.
  double compute_seconds = 0;  ///< Processor time of a pass besides checksums.
};

/// Opens the contender and makes the passes. In each layer every tensor's digest is computed and
/// compared with the container's: kCorrupt names the first tensor that differs.
Result<PassRun> run_passes(PassContender& contender, const PassModel& model, const PassWork& work);

/// Bytes per second of those digests, one thread, out of memory.
double digest_rate();

}  // namespace qload::bench
