// Decoding, by codec, filter, kernel and number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "bench/calibrate/calibration.h"
#include "qload/result.h"

namespace qload::bench {

struct DecodeRatesJob {
  uint32_t threads = 1;  ///< Most that are measured.
  bool quick = false;    ///< Fewer kinds of weights, no kernels but the one that a load would use.
  std::function<void(std::string_view)> on_step;
};

/// Every answer is checked before it is timed.
struct DecodeRates {
  std::vector<DecodeCalibration> rows;
  double thread_scaling = 1;
  /// The rates of one thread that make the rows: of codecs by INT8 weights, of merging by what
  /// filtered weights take beyond their streams.
  double store = 0;
  double lane_huffman = 0;
  double zstd = 0;
  double fse = 0;
  double planes = 0;
  double blocks = 0;
};
Result<DecodeRates> measure_decoding(const DecodeRatesJob& job);

}  // namespace qload::bench
