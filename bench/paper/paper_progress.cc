#include "bench/paper/paper_progress.h"

#include "bench/load/parallel.h"
#include "bench/load/report_table.h"
#include "format/base/format_text.h"

namespace qload::bench {

void PaperProgress::show(const std::string& model, const std::string& what) {
  line_.show(text(model, ": ", what));
}

void PaperProgress::start_load(const std::string& model, const std::string& what) {
  load_start_ = now_seconds();
  std::string left;
  if (bytes_done_ > 0) {
    const double seconds = load_seconds_ / static_cast<double>(bytes_done_) *
                           static_cast<double>(bytes_total_ - bytes_done_);
    left = seconds < 90 ? print("; about %.0f s of loads left", seconds)
                        : print("; about %.0f min of loads left", seconds / 60);
  }
  show(model, what + left);
}

void PaperProgress::end_load(uint64_t load_bytes) {
  load_seconds_ += now_seconds() - load_start_;
  bytes_done_ += static_cast<int64_t>(load_bytes);
}

}  // namespace qload::bench
