#include "tools/qrun/matrix_product.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "format/base/try.h"
#include "tools/qrun/strip_product.h"

namespace qload::qrun {
namespace {

// Weights that a thread takes at a time. Small enough to stay in the L2 cache while the vectors of
// a batch go over them and to share the work evenly, large enough that taking them costs nothing.
constexpr uint64_t kTaskBytes = 128u << 10;
// Kernels take up to this many rows side by side: a task has whole groups.
constexpr uint64_t kRowsTogether = 8;

/// Rows [first, first + count).
struct RowRange {
  uint64_t first = 0;
  uint64_t count = 0;
};

/// The tasks that a matrix is cut into: as its strips ask, or evenly. Strips without cuts are best
/// read on: one task for each thread.
class RowTasks {
 public:
  RowTasks(const Matrix& matrix, uint32_t thread_count) : rows_(matrix.rows) {
    if (matrix.strips != nullptr) cuts_ = matrix.strips->cuts();
    if (matrix.strips != nullptr) {
      task_rows_ = (rows_ + thread_count - 1) / thread_count;
    } else {
      task_rows_ = std::max<uint64_t>(kTaskBytes / matrix.row_bytes / kRowsTogether * kRowsTogether,
                                      kRowsTogether);
    }
  }

  uint64_t count() const {
    return cuts_.empty() ? (rows_ + task_rows_ - 1) / task_rows_ : cuts_.size() - 1;
  }
  RowRange rows_of(uint64_t task) const {
    if (!cuts_.empty()) return {cuts_[task], cuts_[task + 1] - cuts_[task]};
    const uint64_t first = task * task_rows_;
    return {first, std::min(task_rows_, rows_ - first)};
  }

 private:
  uint64_t rows_;
  uint64_t task_rows_ = 0;
  std::span<const uint64_t> cuts_;
};

/// Rows of a matrix that comes in strips.
Status multiply_strips(const RowKernels& kernels, const Product& product, uint32_t worker,
                       const RowRange& rows) {
  RowStrips& strips = *product.matrix.strips;
  QLOAD_CHECK(strips.seek(worker, rows.first));
  const uint64_t end = rows.first + rows.count;
  for (uint64_t next = rows.first; next < end;) {
    QLOAD_TRY(const RowStrip strip, strips.next_rows(worker, end - next));
    multiply_strip(kernels, product, strip);
    next = strip.first_row + strip.row_count;
  }
  return Ok{};
}

/// The products cut into tasks, numbered through.
class TaskList {
 public:
  TaskList(std::span<const Product> products, uint32_t thread_count)
      : products_(products), thread_count_(thread_count) {
    for (const Product& product : products_) task_count_ += tasks_of(product).count();
  }

  uint64_t task_count() const { return task_count_; }

  Status run(const RowKernels& kernels, uint64_t task, uint32_t worker) const {
    size_t number = 0;
    while (task >= tasks_of(products_[number]).count()) {
      task -= tasks_of(products_[number++]).count();
    }
    const Product& product = products_[number];
    const Matrix& matrix = product.matrix;
    const RowRange rows = tasks_of(product).rows_of(task);
    if (matrix.strips != nullptr) return multiply_strips(kernels, product, worker, rows);
    multiply_strip(kernels, product,
                   {matrix.data.data() + rows.first * matrix.row_bytes, rows.first, rows.count});
    return Ok{};
  }

 private:
  RowTasks tasks_of(const Product& product) const { return {product.matrix, thread_count_}; }

  std::span<const Product> products_;
  uint32_t thread_count_;
  uint64_t task_count_ = 0;
};

}  // namespace

Status multiply(ThreadTeam& team, const RowKernels& kernels, std::span<const Product> products) {
  const TaskList tasks(products, team.thread_count());
  std::atomic<uint64_t> next_task = 0;
  std::mutex mutex;
  std::optional<Error> first_error;  // Guarded by mutex.
  team.run([&](uint32_t worker) {
    while (true) {
      const uint64_t task = next_task.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks.task_count()) return;
      Status status = tasks.run(kernels, task, worker);
      if (status.ok()) continue;
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = std::move(status).error();
      next_task = tasks.task_count();  // The others stop at their next task.
    }
  });
  if (first_error) return *std::move(first_error);
  return Ok{};
}

}  // namespace qload::qrun
