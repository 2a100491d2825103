// `qpack analyze`: entropies of every byte, and what codecs make of a sample, put together.
#pragma once

#include <cstdint>
#include <limits>
#include <stop_token>

#include "format/pack/progress_meter.h"
#include "qload/result.h"
#include "tools/analyze/chunked_model.h"
#include "tools/analyze/model_analysis.h"
#include "tools/profile/device_profile.h"

namespace qload::analyze {

inline constexpr uint64_t kEveryByte = std::numeric_limits<uint64_t>::max();
/// Models up to this size have every chunk measured; of larger ones about so much is. It tells
/// sizes to a few 0.01 % (docs/cli.md, "analyze") in 2 to 6 s of one core.
inline constexpr uint64_t kMeasuredBytes = 256ull << 20;
/// More threads would have more than 256 MiB in the making: each has a chunk in several forms.
inline constexpr uint32_t kAnalyzeThreadsMax = 8;

/// How much is looked at: all of it, or a share or so many bytes.
struct SampleSize {
  double share = 1;  ///< In (0, 1].
  uint64_t bytes = kEveryByte;
};

struct AnalyzeOptions {
  tools::DeviceProfile target;  ///< Whose load times are predicted.
  SampleSize sample = {};
  uint64_t measured_bytes = kMeasuredBytes;
  uint32_t threads = 1;  ///< In [1, kAnalyzeThreadsMax].
};

/// Reads the model once. Memory stays below 256 MiB for models of up to 50,000 tensors; beyond, the
/// answer itself is larger. kCancelled when `stop` is requested; errors of reading.
Result<ModelAnalysis> analyze_model(const ChunkedModel& model, const AnalyzeOptions& options,
                                    ProgressMeter& progress, std::stop_token stop);

}  // namespace qload::analyze
