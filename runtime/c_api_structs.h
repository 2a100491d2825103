// Between the structs of qload/c.h, which may be older or newer than this library, and ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "qload/c.h"
#include "qload/options.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload::c_api {

/// No struct of qload/c.h comes near this size: a larger struct_bytes was never set.
inline constexpr size_t kStructBytesMax = 4096;

/// The struct_bytes that opens the struct at `from`, when it can be one; else kInvalidArgument,
/// with `name` (of the struct) and `known_bytes` (its size here).
Result<size_t> read_struct_bytes(const void* from, size_t known_bytes, std::string_view name);

/// Copies as much of a caller's struct as both sides know to `to`, whose other bytes become
/// zero: the default. Bytes that only the caller knows must be zero, or this library would
/// ignore a wish: kInvalidArgument.
Status copy_in(const void* from, void* to, size_t known_bytes, std::string_view name);

/// Copies as much of `from` as both sides know into the caller's struct of `struct_bytes` bytes,
/// except struct_bytes itself; bytes that only the caller knows become zero.
void copy_out(const void* from, size_t known_bytes, void* to, size_t struct_bytes);

/// The caller's `options`, or all zero when it is null. T opens with struct_bytes.
template <class T>
Result<T> read_options(const T* options, std::string_view name) {
  T copy = {};
  if (options == nullptr) return copy;
  Status status = copy_in(options, &copy, sizeof copy, name);
  if (!status.ok()) return std::move(status).error();
  return copy;
}

/// Fills the caller's output struct from `value`.
template <class T>
Status write_struct(const T& value, T* out, std::string_view name) {
  Result<size_t> bytes = read_struct_bytes(out, sizeof value, name);
  if (!bytes.ok()) return std::move(bytes).error();
  copy_out(&value, sizeof value, out, *bytes);
  return Ok{};
}

/// Fills `error` (null: nothing) and returns its code. The message is cut to fit, between
/// characters.
int report_ok(qload_error* error);
int report_error(ErrorCode code, std::string_view message, qload_error* error);

/// Zero fields become defaults; values this library does not know are kInvalidArgument.
Result<ModelOptions> to_model_options(const qload_model_options* options);
Result<LoaderOptions> to_loader_options(const qload_loader_options* options);
/// Verify, pinning, huge pages and allocator of `options`; the callbacks are the caller's work.
Result<LoadOptions> to_load_options(const qload_load_options& options);

/// Name, data and bytes of each element of the caller's array. All elements must state the
/// struct_bytes that the first one does, because that is how they are found.
Result<std::vector<Destination>> read_destinations(const qload_tensor* destinations, size_t count);

qload_digest to_c_digest(const Digest& digest);
qload_statistics to_c_statistics(const LoadStatistics& statistics);
/// `data` may be null. `name` is NUL-terminated.
qload_tensor to_c_tensor(const TensorInfo& info, const char* name, const std::byte* data);

}  // namespace qload::c_api
