// qload/c_packed.h over qload/packed.h.
#include "format/base/try.h"
#include "qload/c_packed.h"
#include "qload/packed.h"
#include "runtime/c_api_call.h"
#include "runtime/c_api_structs.h"

using qload::Error;
using qload::ErrorCode;
using qload::Ok;
using qload::Result;
using qload::Status;

struct qload_packed {
  qload::PackedWeights weights;
  const qload_model* model;
};

struct qload_rows {
  qload::RowCursor cursor;
};

namespace {

namespace c_api = qload::c_api;
using c_api::guarded;
using c_api::require;

}  // namespace

extern "C" {

int qload_load_packed(qload_loader* loader, const qload_model* model, const char* const* names,
                      size_t count, const qload_load_options* options, qload_packed** packed,
                      qload_error* error) {
  if (packed != nullptr) *packed = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(packed, "packed"));
    if (count != 0) QLOAD_CHECK(require(names, "names"));
    c_api::LoadCall call;
    QLOAD_CHECK(call.prepare(options));
    QLOAD_TRY(const auto wanted, c_api::collect_names(names, count));
    Result<qload::PackedWeights> loaded =
        names == nullptr ? loader->loader.load_packed(model->model, call.options())
                         : loader->loader.load_packed(model->model, wanted, call.options());
    call.finish();
    if (!loaded.ok()) return std::move(loaded).error();
    *packed = new qload_packed{std::move(loaded).value(), model};
    return Ok{};
  });
}

void qload_packed_close(qload_packed* packed) { delete packed; }

uint64_t qload_packed_stored_bytes(const qload_packed* packed) {
  return packed == nullptr ? 0 : packed->weights.stored_bytes();
}

size_t qload_packed_tensors(const qload_packed* packed, qload_tensor* out, size_t capacity) {
  if (packed == nullptr) return 0;
  const auto tensors = packed->weights.tensors();
  return c_api::fill_tensors(out, capacity, tensors.size(), [&](size_t i) {
    return c_api::describe(*packed->model, *tensors[i], nullptr);
  });
}

int qload_packed_find(const qload_packed* packed, const char* name, qload_tensor* out) {
  if (packed == nullptr || name == nullptr || out == nullptr) return QLOAD_ERROR_INVALID_ARGUMENT;
  return guarded(nullptr, [&]() -> Status {
    const qload::TensorInfo* info = packed->weights.find(name);
    if (info == nullptr) return Error(ErrorCode::kNotFound, {});
    return c_api::write_struct(c_api::describe(*packed->model, *info, nullptr), out,
                               "qload_tensor");
  });
}

int qload_packed_decode(qload_loader* loader, const qload_packed* packed,
                        const qload_tensor* destinations, size_t count,
                        const qload_load_options* options, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(packed, "packed"));
    if (count != 0) QLOAD_CHECK(require(destinations, "destinations"));
    c_api::LoadCall call;
    QLOAD_CHECK(call.prepare(options));
    QLOAD_TRY(const auto ours, c_api::read_destinations(destinations, count));
    Status status = loader->loader.decode(packed->weights, ours, call.options());
    call.finish();
    return status;
  });
}

int qload_rows_open(const qload_packed* packed, const char* name, const qload_rows_options* options,
                    qload_rows** rows, qload_error* error) {
  if (rows != nullptr) *rows = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(packed, "packed"));
    QLOAD_CHECK(require(name, "name"));
    QLOAD_CHECK(require(rows, "rows"));
    QLOAD_TRY(const auto from, c_api::read_options(options, "qload_rows_options"));
    qload::RowCursorOptions ours;
    if (from.buffer_bytes != 0) ours.buffer_bytes = from.buffer_bytes;
    QLOAD_TRY(auto cursor, qload::RowCursor::open(packed->weights, name, ours));
    *rows = new qload_rows{std::move(cursor)};
    return Ok{};
  });
}

int qload_rows_reopen(qload_rows* rows, const qload_packed* packed, const char* name,
                      qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(rows, "rows"));
    QLOAD_CHECK(require(packed, "packed"));
    QLOAD_CHECK(require(name, "name"));
    return rows->cursor.reopen(packed->weights, name);
  });
}

void qload_rows_close(qload_rows* rows) { delete rows; }

int qload_rows_get_info(const qload_rows* rows, qload_rows_info* info, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(rows, "rows"));
    QLOAD_CHECK(require(info, "info"));
    qload_rows_info ours = {};
    ours.row_count = rows->cursor.rows();
    ours.row_bytes = rows->cursor.row_bytes();
    ours.next_row = rows->cursor.next_row();
    return c_api::write_struct(ours, info, "qload_rows_info");
  });
}

uint64_t qload_rows_chunk_start(const qload_rows* rows, uint64_t row) {
  return rows == nullptr ? 0 : rows->cursor.chunk_start_row(row);
}

int qload_rows_seek(qload_rows* rows, uint64_t row, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(rows, "rows"));
    return rows->cursor.seek(row);
  });
}

int qload_rows_next(qload_rows* rows, uint64_t count_max, qload_rows_view* view,
                    qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(rows, "rows"));
    QLOAD_CHECK(require(view, "view"));
    // Before the rows are taken: a view that cannot be filled in must not cost them.
    QLOAD_TRY(const size_t struct_bytes,
              c_api::read_struct_bytes(view, sizeof *view, "qload_rows_view"));
    QLOAD_TRY(const qload::RowsView next, rows->cursor.next_rows(count_max));
    qload_rows_view ours = {};
    ours.first_row = next.first_row;
    ours.row_count = next.count;
    ours.bytes = next.data.size();
    ours.data = next.data.empty() ? nullptr : next.data.data();
    c_api::copy_out(&ours, sizeof ours, view, struct_bytes);
    return Ok{};
  });
}

int qload_rows_decode(qload_rows* rows, uint64_t first, uint64_t count, void* out, uint64_t bytes,
                      qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(rows, "rows"));
    if (bytes != 0) QLOAD_CHECK(require(out, "out"));
    return rows->cursor.decode_rows(first, count, {static_cast<std::byte*>(out), bytes});
  });
}

int qload_load_rows(qload_loader* loader, const qload_model* model, const char* name,
                    uint64_t first, uint64_t count, void* out, uint64_t bytes,
                    const qload_load_options* options, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(name, "name"));
    if (bytes != 0) QLOAD_CHECK(require(out, "out"));
    c_api::LoadCall call;
    QLOAD_CHECK(call.prepare(options));
    Status status = loader->loader.load_rows(
        model->model, name, first, count,
        {static_cast<std::byte*>(out), static_cast<size_t>(bytes)}, call.options());
    call.finish();
    return status;
  });
}

}  // extern "C"
