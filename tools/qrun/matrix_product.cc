#include "tools/qrun/matrix_product.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "format/base/try.h"

namespace qload::qrun {
namespace {

// Weights that a thread takes at a time. Small enough to stay in the L2 cache while the vectors of
// a batch go over them and to share the work evenly, large enough that taking them costs nothing.
constexpr uint64_t kTaskBytes = 128u << 10;
// Kernels take up to this many rows side by side: a task has whole groups.
constexpr uint64_t kRowsTogether = 8;

/// The rows that one task of `product` has. Strips are best read on: one task for each thread.
uint64_t rows_of_task(const Matrix& matrix, uint32_t thread_count) {
  if (matrix.strips != nullptr) return (matrix.rows + thread_count - 1) / thread_count;
  return std::max<uint64_t>(kTaskBytes / matrix.row_bytes / kRowsTogether * kRowsTogether,
                            kRowsTogether);
}

void multiply_strip(const RowKernels& kernels, const Product& product, const RowStrip& strip) {
  const Matrix& matrix = product.matrix;
  const RowProduct multiply_rows = find_row_product(kernels, matrix.dtype);
  for (size_t vector = 0; vector < product.in.vector_count; ++vector) {
    float* out = product.out.vector(vector) + strip.first_row;
    multiply_rows(strip.data, matrix.row_bytes, strip.row_count, product.in.vector(vector),
                  matrix.columns, out);
    if (matrix.scales.empty()) continue;
    for (uint64_t i = 0; i < strip.row_count; ++i) out[i] *= matrix.scale_of(strip.first_row + i);
  }
}

/// Rows [first, first + count) of a matrix that comes in strips.
Status multiply_strips(const RowKernels& kernels, const Product& product, uint32_t worker,
                       uint64_t first, uint64_t count) {
  RowStrips& strips = *product.matrix.strips;
  QLOAD_CHECK(strips.seek(worker, first));
  for (const uint64_t end = first + count; first < end;) {
    QLOAD_TRY(const RowStrip strip, strips.next_rows(worker, end - first));
    multiply_strip(kernels, product, strip);
    first = strip.first_row + strip.row_count;
  }
  return Ok{};
}

/// The products cut into tasks, numbered through.
class TaskList {
 public:
  TaskList(std::span<const Product> products, uint32_t thread_count)
      : products_(products), thread_count_(thread_count) {
    for (const Product& product : products_) task_count_ += task_count_of(product);
  }

  uint64_t task_count() const { return task_count_; }

  Status run(const RowKernels& kernels, uint64_t task, uint32_t worker) const {
    size_t number = 0;
    while (task >= task_count_of(products_[number])) task -= task_count_of(products_[number++]);
    const Product& product = products_[number];
    const Matrix& matrix = product.matrix;
    const uint64_t task_rows = rows_of_task(matrix, thread_count_);
    const uint64_t first = task * task_rows;
    const uint64_t count = std::min(task_rows, matrix.rows - first);
    if (matrix.strips != nullptr) return multiply_strips(kernels, product, worker, first, count);
    multiply_strip(kernels, product, {matrix.data.data() + first * matrix.row_bytes, first, count});
    return Ok{};
  }

 private:
  uint64_t task_count_of(const Product& product) const {
    const uint64_t task_rows = rows_of_task(product.matrix, thread_count_);
    return (product.matrix.rows + task_rows - 1) / task_rows;
  }

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
