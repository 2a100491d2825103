// What the calls of the C API have in common: handles, argument checks, and no exception beyond.
#pragma once

#include <cstddef>
#include <exception>
#include <new>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "qload/c.h"
#include "qload/loader.h"
#include "runtime/c_api_structs.h"

struct qload_loader {
  qload::Loader loader;
};

/// The index's names have no NUL behind them; C wants one. All are copied once, at open.
struct qload_model {
  qload::Model model;
  std::string names;  ///< Every name, path and format, each with its NUL.
  std::vector<const char*> tensor_names;
  std::vector<const char*> file_paths;
  std::vector<const char*> file_formats;
};

struct qload_weights {
  qload::Weights weights;
  const qload_model* model;
};

namespace qload::c_api {

/// Runs `call`, which returns a Status, and turns what comes out of it into a code.
template <class Call>
int guarded(qload_error* error, Call&& call) {
  try {
    const Status status = call();
    if (status.ok()) return report_ok(error);
    return report_error(status.error().code(), status.error().message(), error);
  } catch (const std::bad_alloc&) {
    return report_error(ErrorCode::kOutOfMemory, "out of memory", error);
  } catch (const std::exception& exception) {
    return report_error(ErrorCode::kIo, exception.what(), error);
  } catch (...) {
    return report_error(ErrorCode::kIo, "an unknown exception", error);
  }
}

/// kInvalidArgument for a null pointer.
Status require(const void* pointer, std::string_view name);

/// `info` belongs to the model's own array. `data` may be null.
qload_tensor describe(const qload_model& model, const TensorInfo& info, const std::byte* data);

/// Fills an array of the caller's qload_tensor, whose first element gives the size of each.
/// Returns `count`, or 0 when struct_bytes cannot be right: nothing is written then.
template <class Describe>
size_t fill_tensors(qload_tensor* out, size_t capacity, size_t count, Describe&& describe_one) {
  if (out == nullptr || capacity == 0 || count == 0) return count;
  const auto stride = read_struct_bytes(out, sizeof *out, "qload_tensor");
  if (!stride.ok()) return 0;
  auto* to = reinterpret_cast<unsigned char*>(out);
  for (size_t i = 0; i < count && i < capacity; ++i, to += *stride) {
    const qload_tensor tensor = describe_one(i);
    copy_out(&tensor, sizeof tensor, to, *stride);
  }
  return count;
}

/// The callbacks of one load: progress goes out, a wish to cancel and statistics come in.
class LoadCall {
 public:
  LoadCall() = default;
  LoadCall(const LoadCall&) = delete;
  LoadCall& operator=(const LoadCall&) = delete;

  Status prepare(const qload_load_options* options);
  /// Also after a failed load: the statistics tell how far it got.
  void finish();

  const LoadOptions& options() const { return options_; }

 private:
  qload_load_options from_ = {};
  LoadOptions options_;
  LoadStatistics statistics_;
  size_t statistics_bytes_ = 0;
  std::stop_source stop_;
};

Result<std::vector<std::string_view>> collect_names(const char* const* names, size_t count);

}  // namespace qload::c_api
