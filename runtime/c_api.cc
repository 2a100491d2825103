// The C API over the C++ one: handles, argument checks, and no exception beyond this file.
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/c.h"
#include "qload/loader.h"
#include "runtime/c_api_call.h"
#include "runtime/c_api_structs.h"
#include "runtime/load/model_state.h"

using qload::Error;
using qload::ErrorCode;
using qload::Ok;
using qload::Result;
using qload::Status;
using qload::text;

namespace {

namespace c_api = qload::c_api;
using c_api::describe;
using c_api::guarded;
using c_api::require;

void fill_names(qload_model& handle) {
  size_t name_bytes = 0;
  for (const auto& tensor : handle.model.tensors()) name_bytes += tensor.name.size() + 1;
  for (const auto& file : handle.model.files()) {
    name_bytes += file.path.size() + file.format.size() + 2;
  }
  handle.names.reserve(name_bytes);
  auto keep = [&handle](std::string_view name) {
    const char* kept = handle.names.data() + handle.names.size();
    handle.names.append(name);
    handle.names.push_back('\0');
    return kept;
  };
  handle.tensor_names.reserve(handle.model.tensors().size());
  for (const auto& tensor : handle.model.tensors()) {
    handle.tensor_names.push_back(keep(tensor.name));
  }
  for (const auto& file : handle.model.files()) {
    handle.file_paths.push_back(keep(file.path));
    handle.file_formats.push_back(keep(file.format));
  }
}

Status open_handle(Result<qload::Model> model, qload_model** out) {
  if (!model.ok()) return std::move(model).error();
  auto handle =
      std::unique_ptr<qload_model>(new qload_model{std::move(model).value(), {}, {}, {}, {}});
  fill_names(*handle);
  *out = handle.release();
  return Ok{};
}

}  // namespace

extern "C" {

const char* qload_version(void) { return QLOAD_VERSION_STRING; }

const char* qload_error_name(int32_t code) {
  if (code == QLOAD_OK) return "ok";
  return qload::error_code_name(static_cast<ErrorCode>(code)).data();  // A literal: it has a NUL.
}

const char* qload_decode_kernel(void) { return qload::decode_kernel(); }

const char* qload_dtype_name(uint32_t dtype) {
  if (dtype > UINT16_MAX) return nullptr;
  const qload::DTypeInfo* info = qload::find_dtype(static_cast<qload::DType>(dtype));
  return info == nullptr ? nullptr : info->name.data();  // A literal: it has a NUL.
}

uint64_t qload_memory_headroom(void) {
  uint64_t headroom = UINT64_MAX;
  guarded(nullptr, [&]() -> Status {
    headroom = qload::memory_headroom().value_or(UINT64_MAX);
    return Ok{};
  });
  return headroom;
}

int qload_loader_open(const qload_loader_options* options, qload_loader** loader,
                      qload_error* error) {
  if (loader != nullptr) *loader = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_TRY(const qload::LoaderOptions ours, c_api::to_loader_options(options));
    QLOAD_TRY(qload::Loader created, qload::Loader::create(ours));
    *loader = new qload_loader{std::move(created)};
    return Ok{};
  });
}

void qload_loader_close(qload_loader* loader) { delete loader; }

int qload_model_open(const char* path, const qload_model_options* options, qload_model** model,
                     qload_error* error) {
  if (model != nullptr) *model = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(path, "path"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_TRY(const qload::ModelOptions ours, c_api::to_model_options(options));
    return open_handle(qload::Model::open(path, ours), model);
  });
}

int qload_model_open_fd(int descriptor, uint64_t offset, uint64_t bytes,
                        const qload_model_options* options, qload_model** model,
                        qload_error* error) {
  if (model != nullptr) *model = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(model, "model"));
    QLOAD_TRY(const qload::ModelOptions ours, c_api::to_model_options(options));
    return open_handle(qload::Model::open_descriptor(descriptor, offset, bytes, ours), model);
  });
}

void qload_model_close(qload_model* model) { delete model; }

int qload_model_get_info(const qload_model* model, qload_model_info* info, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(info, "info"));
    qload_model_info ours = {};
    ours.decoded_bytes = model->model.decoded_bytes();
    ours.stored_bytes = model->model.stored_bytes();
    ours.tensor_count = model->model.tensors().size();
    ours.layer_count = model->model.layer_count();
    ours.file_count = static_cast<uint32_t>(model->model.files().size());
    ours.digest = c_api::to_c_digest(model->model.digest());
    return c_api::write_struct(ours, info, "qload_model_info");
  });
}

size_t qload_model_tensors(const qload_model* model, qload_tensor* out, size_t capacity) {
  if (model == nullptr) return 0;
  const auto tensors = model->model.tensors();
  return c_api::fill_tensors(out, capacity, tensors.size(),
                             [&](size_t i) { return describe(*model, tensors[i], nullptr); });
}

int qload_model_find(const qload_model* model, const char* name, qload_tensor* out) {
  if (model == nullptr || name == nullptr || out == nullptr) return QLOAD_ERROR_INVALID_ARGUMENT;
  return guarded(nullptr, [&]() -> Status {
    const qload::TensorInfo* info = model->model.find(name);
    if (info == nullptr) return Error(ErrorCode::kNotFound, {});
    return c_api::write_struct(describe(*model, *info, nullptr), out, "qload_tensor");
  });
}

int qload_model_file(const qload_model* model, uint32_t file, qload_source_file* out,
                     qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(out, "out"));
    const auto files = model->model.files();
    if (file >= files.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   text("source file ", file, " of a model that has ", files.size(), " of them"));
    }
    qload_source_file ours = {};
    ours.path = model->file_paths[file];
    ours.format = model->file_formats[file];
    ours.bytes = files[file].bytes;
    ours.header_bytes = files[file].header_bytes;
    return c_api::write_struct(ours, out, "qload_source_file");
  });
}

int qload_model_read_header(const qload_model* model, uint32_t file, void* buffer,
                            uint64_t capacity, uint64_t* bytes, qload_error* error) {
  if (bytes != nullptr) *bytes = 0;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(model, "model"));
    if (capacity != 0) QLOAD_CHECK(require(buffer, "buffer"));
    QLOAD_CHECK(require(bytes, "bytes"));
    const auto files = model->model.files();
    if (file < files.size() && files[file].header_bytes > capacity) {
      *bytes = files[file].header_bytes;
      return Error(ErrorCode::kInvalidArgument,
                   text("capacity is ", capacity, "; the header of source file ", file, " has ",
                        files[file].header_bytes, " bytes"));
    }
    QLOAD_TRY(const std::vector<std::byte> header, model->model.read_header(file));
    if (!header.empty()) std::memcpy(buffer, header.data(), header.size());
    *bytes = header.size();
    return Ok{};
  });
}

int qload_load(qload_loader* loader, const qload_model* model, const char* const* names,
               size_t count, const qload_load_options* options, qload_weights** weights,
               qload_error* error) {
  if (weights != nullptr) *weights = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(weights, "weights"));
    if (count != 0) QLOAD_CHECK(require(names, "names"));
    c_api::LoadCall call;
    QLOAD_CHECK(call.prepare(options));
    QLOAD_TRY(const std::vector<std::string_view> wanted, c_api::collect_names(names, count));
    Result<qload::Weights> loaded = names == nullptr
                                        ? loader->loader.load(model->model, call.options())
                                        : loader->loader.load(model->model, wanted, call.options());
    call.finish();
    if (!loaded.ok()) return std::move(loaded).error();
    *weights = new qload_weights{std::move(loaded).value(), model};
    return Ok{};
  });
}

int qload_load_into(qload_loader* loader, const qload_model* model,
                    const qload_tensor* destinations, size_t count,
                    const qload_load_options* options, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    if (count != 0) QLOAD_CHECK(require(destinations, "destinations"));
    c_api::LoadCall call;
    QLOAD_CHECK(call.prepare(options));
    QLOAD_TRY(const std::vector<qload::Destination> ours,
              c_api::read_destinations(destinations, count));
    Status status = loader->loader.load_into(model->model, ours, call.options());
    call.finish();
    return status;
  });
}

size_t qload_weights_tensors(const qload_weights* weights, qload_tensor* out, size_t capacity) {
  if (weights == nullptr) return 0;
  const auto views = weights->weights.tensors();
  return c_api::fill_tensors(out, capacity, views.size(), [&](size_t i) {
    return describe(*weights->model, *views[i].info, views[i].data.data());
  });
}

int qload_weights_find(const qload_weights* weights, const char* name, qload_tensor* out) {
  if (weights == nullptr || name == nullptr || out == nullptr) return QLOAD_ERROR_INVALID_ARGUMENT;
  return guarded(nullptr, [&]() -> Status {
    const qload::TensorView* view = weights->weights.find(name);
    if (view == nullptr) return Error(ErrorCode::kNotFound, {});
    return c_api::write_struct(describe(*weights->model, *view->info, view->data.data()), out,
                               "qload_tensor");
  });
}

void qload_weights_close(qload_weights* weights) { delete weights; }

}  // extern "C"
