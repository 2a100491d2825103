#include "bench/stream/pass_run.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "bench/load/fresh_memory.h"
#include "bench/load/parallel.h"
#include "bench/load/process_memory.h"
#include "bench/load/process_usage.h"
#include "bench/stream/pass_contender.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// More than caches hold, so that it streams from memory as layers do.
constexpr uint64_t kDigestTrialBytes = 64ull << 20;
constexpr int kDigestTrials = 3;

double thread_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Status check_tensor(const PassModel& model, const PassTensor& found) {
  const TensorRecord& expected = model.container.index.tensors()[found.tensor];
  const bool same =
      found.data.size() == expected.bytes && digest_of(found.data) == to_digest(expected.digest);
  if (same) return Ok{};
  return Error(ErrorCode::kCorrupt,
               text("wrong answer: tensor ", quote(model.container.index.name(expected)),
                    " differs from what was packed"));
}

/// An engine's work on one layer, by processor time, so that threads which load beside it take
/// nothing from it. Returns that time.
Result<double> compute_layer(const PassModel& model, std::span<const PassTensor> tensors,
                             double seconds_per_byte) {
  const double begin = thread_seconds();
  uint64_t bytes = 0;
  for (const PassTensor& tensor : tensors) {
    QLOAD_CHECK(check_tensor(model, tensor));
    bytes += tensor.data.size();
  }
  const double busy_until = thread_seconds() + static_cast<double>(bytes) * seconds_per_byte;
  while (thread_seconds() < busy_until) {
  }
  return thread_seconds() - begin;
}

Result<PassSample> run_pass(PassContender& contender, const PassModel& model,
                            double seconds_per_byte) {
  PassSample sample;
  const ProcessUsage before = usage_now();
  const double begin = now_seconds();
  for (size_t layer = 0; layer < contender.layer_count(); ++layer) {
    const double asked = now_seconds();
    QLOAD_TRY(const std::span<const PassTensor> tensors, contender.next());
    sample.request_seconds += now_seconds() - asked;
    QLOAD_TRY(const double computed, compute_layer(model, tensors, seconds_per_byte));
    sample.compute_seconds += computed;
    contender.release();
  }
  sample.seconds = now_seconds() - begin;
  const ProcessUsage usage = usage_between(before, usage_now());
  sample.cpu_seconds = usage.cpu_seconds();
  contender.describe_pass(sample);
  // What the kernel counted is the same for all; not every kernel counts.
  if (usage.storage_read_bytes > 0) sample.bytes_read = usage.storage_read_bytes;
  return sample;
}

}  // namespace

double PassSample::overlap() const {
  return load_seconds > 0 ? std::max(0.0, 1 - request_seconds / load_seconds) : 0;
}

Result<PassRun> run_passes(PassContender& contender, const PassModel& model, const PassWork& work) {
  QLOAD_CHECK(contender.open());
  const uint64_t bytes = model.container.superblock.decoded_bytes;
  const double seconds_per_byte =
      bytes > 0 ? work.compute_seconds / static_cast<double>(bytes) : 0.0;
  PassRun run{.resident_bytes = contender.resident_bytes(), .facts = contender.facts()};
  QLOAD_TRY([[maybe_unused]] const PassSample warm_up,
            run_pass(contender, model, seconds_per_byte));
  for (uint32_t pass = 0; pass < work.passes; ++pass) {
    QLOAD_TRY(const PassSample sample, run_pass(contender, model, seconds_per_byte));
    run.passes.push_back(sample);
  }
  run.resident_peak_bytes = resident_peak_bytes();
  return run;
}

double digest_rate() {
  const auto memory = FreshMemory::allocate(kDigestTrialBytes, true);
  if (!memory.ok()) return 0;
  populate_pages(memory->bytes());
  double best = 0;
  for (int trial = 0; trial < kDigestTrials; ++trial) {
    const double begin = thread_seconds();
    const Digest digest = digest_of(memory->bytes());
    const double seconds = thread_seconds() - begin;
    // The algorithm's number is never 0: the digest is needed, and so is its computation.
    if (digest.algorithm != 0 && seconds > 0) {
      best = std::max(best, static_cast<double>(kDigestTrialBytes) / seconds);
    }
  }
  return best;
}

}  // namespace qload::bench
