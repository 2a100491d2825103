// What the paper benchmark does now, and how long its loads will still take.
#pragma once

#include <cstdint>
#include <string>

#include "bench/load/progress_line.h"

namespace qload::bench {

/// A line on a terminal. The time left is that of the loads, by bytes of plain model; generating
/// and packing are not foreseen.
class PaperProgress {
 public:
  /// Loads of so many bytes, in all, are to come (or, with a negative number, are not).
  void expect(int64_t load_bytes) { bytes_total_ += load_bytes; }
  void show(const std::string& model, const std::string& what);
  /// A load begins, and has ended.
  void start_load(const std::string& model, const std::string& what);
  void end_load(uint64_t load_bytes);

 private:
  ProgressLine line_;
  int64_t bytes_total_ = 0;
  int64_t bytes_done_ = 0;
  double load_start_ = 0;
  double load_seconds_ = 0;
};

}  // namespace qload::bench
