#include "runtime/c_api_call.h"

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::c_api {

Status require(const void* pointer, std::string_view name) {
  if (pointer != nullptr) return Ok{};
  return Error(ErrorCode::kInvalidArgument, text(name, " is NULL"));
}

qload_tensor describe(const qload_model& model, const TensorInfo& info, const std::byte* data) {
  const auto number = static_cast<size_t>(&info - model.model.tensors().data());
  return to_c_tensor(info, model.tensor_names[number], data);
}

Status LoadCall::prepare(const qload_load_options* options) {
  QLOAD_TRY(from_, read_options(options, "qload_load_options"));
  QLOAD_TRY(options_, to_load_options(from_));
  if (from_.statistics != nullptr) {
    QLOAD_TRY(statistics_bytes_,
              read_struct_bytes(from_.statistics, sizeof(qload_statistics), "qload_statistics"));
    options_.statistics = &statistics_;
  }
  if (from_.on_progress != nullptr) {
    options_.stop = stop_.get_token();
    options_.on_progress = [this](const Progress& progress) {
      const int answer =
          from_.on_progress(from_.progress_context, progress.bytes_decoded, progress.bytes_total);
      if (answer != 0) stop_.request_stop();
    };
  }
  return Ok{};
}

void LoadCall::finish() {
  if (from_.statistics == nullptr) return;
  const qload_statistics statistics = to_c_statistics(statistics_);
  copy_out(&statistics, sizeof statistics, from_.statistics, statistics_bytes_);
}

Result<std::vector<std::string_view>> collect_names(const char* const* names, size_t count) {
  std::vector<std::string_view> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    QLOAD_CHECK(require(names[i], text("names[", i, "]")));
    out.push_back(names[i]);
  }
  return out;
}

}  // namespace qload::c_api
