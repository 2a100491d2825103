// qload/c_stream.h over qload/stream.h.
#include <memory>
#include <optional>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/c_stream.h"
#include "qload/stream.h"
#include "runtime/c_api_call.h"
#include "runtime/c_api_structs.h"

using qload::Error;
using qload::ErrorCode;
using qload::Ok;
using qload::Result;
using qload::Status;
using qload::text;

struct qload_stream {
  std::stop_source stop;
  qload::LayerStream stream;
  const qload_model* model;
};

struct qload_layer {
  std::optional<qload::Layer> layer;
  const qload_model* model = nullptr;
};

namespace {

namespace c_api = qload::c_api;
using c_api::guarded;
using c_api::require;

Result<bool> to_flag(uint32_t value, std::string_view field) {
  if (value <= 1) return value == 1;
  return Error(ErrorCode::kInvalidArgument,
               text("qload_stream_options.", field, " is ", value, "; expected 0 or 1"));
}

/// Options and the lists that they point to.
struct StreamCall {
  std::stop_source stop;
  qload::StreamOptions options;
  std::vector<std::string_view> resident;
  std::vector<std::string_view> skip;

  Status prepare(const qload_stream_options* given) {
    QLOAD_TRY(const qload_stream_options from, c_api::read_options(given, "qload_stream_options"));
    options.budget_bytes = from.budget_bytes;
    options.passes = from.passes;
    QLOAD_TRY(const bool no_fill, to_flag(from.no_fill, "no_fill"));
    options.fill_resident = !no_fill;
    QLOAD_TRY(options.keep_packed, to_flag(from.keep_packed, "keep_packed"));
    if (from.order_count != 0) QLOAD_CHECK(require(from.order, "order"));
    options.order = {from.order, static_cast<size_t>(from.order_count)};
    if (from.resident_count != 0) QLOAD_CHECK(require(from.resident, "resident"));
    QLOAD_TRY(resident, c_api::collect_names(from.resident, from.resident_count));
    options.resident = resident;
    if (from.skip_count != 0) QLOAD_CHECK(require(from.skip, "skip"));
    QLOAD_TRY(skip, c_api::collect_names(from.skip, from.skip_count));
    options.skip = skip;
    options.part_bytes = from.part_bytes;
    options.rates = {from.storage_rate, from.decode_rate, from.compute_seconds,
                     from.compute_threads};
    QLOAD_TRY(const qload_load_options load, c_api::read_options(from.load, "qload_load_options"));
    if (load.statistics != nullptr) {
      return Error(ErrorCode::kInvalidArgument,
                   "qload_stream_options.load has statistics: a stream reports by "
                   "qload_stream_get_last_pass");
    }
    QLOAD_TRY(options.load, c_api::to_load_options(load));
    options.load.stop = stop.get_token();
    if (load.on_progress != nullptr) {
      options.load.on_progress = [this, load](const qload::Progress& progress) {
        const int answer =
            load.on_progress(load.progress_context, progress.bytes_decoded, progress.bytes_total);
        if (answer != 0) stop.request_stop();
      };
    }
    return Ok{};
  }
};

qload_layer_tensor describe(const qload_layer& layer, const qload::LayerTensor& from) {
  qload_layer_tensor to = {};
  to.tensor = c_api::describe(*layer.model, *from.info, from.data.data());
  to.tensor.struct_bytes = sizeof to.tensor;
  to.data_bytes = from.data.size();
  to.offset = from.offset;
  to.first_row = from.first_row;
  to.row_count = from.rows;
  return to;
}

}  // namespace

extern "C" {

int qload_stream_open(qload_loader* loader, const qload_model* model,
                      const qload_stream_options* options, qload_stream** stream,
                      qload_error* error) {
  if (stream != nullptr) *stream = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(stream, "stream"));
    StreamCall call;
    QLOAD_CHECK(call.prepare(options));
    QLOAD_TRY(qload::LayerStream opened, loader->loader.stream(model->model, call.options));
    *stream = new qload_stream{std::move(call.stop), std::move(opened), model};
    return Ok{};
  });
}

void qload_stream_close(qload_stream* stream) { delete stream; }

int qload_stream_next(qload_stream* stream, qload_layer** layer, qload_error* error) {
  if (layer != nullptr) *layer = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(stream, "stream"));
    QLOAD_CHECK(require(layer, "layer"));
    if (stream->stream.done()) return Ok{};
    // Allocated first: what next() gave must not be lost for want of memory.
    auto handle = std::make_unique<qload_layer>();
    QLOAD_TRY(handle->layer, stream->stream.next());
    handle->model = stream->model;
    *layer = handle.release();
    return Ok{};
  });
}

void qload_stream_cancel(qload_stream* stream) {
  if (stream != nullptr) stream->stop.request_stop();
}

int qload_stream_get_facts(const qload_stream* stream, qload_stream_facts* facts,
                           qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(stream, "stream"));
    QLOAD_CHECK(require(facts, "facts"));
    const qload::StreamFacts from = stream->stream.facts();
    qload_stream_facts to = {};
    to.budget_bytes = from.budget_bytes;
    to.staging_bytes = from.staging_bytes;
    to.resident_bytes = from.resident_bytes;
    to.packed_bytes = from.packed_bytes;
    to.portion_bytes = from.portion_bytes;
    to.storage_bytes_per_pass = from.storage_bytes_per_pass;
    to.decoded_bytes_per_pass = from.decoded_bytes_per_pass;
    to.seconds_per_pass = from.seconds_per_pass;
    to.parts_per_pass = from.parts_per_pass;
    to.overlaps = from.overlaps ? 1 : 0;
    return c_api::write_struct(to, facts, "qload_stream_facts");
  });
}

int qload_stream_get_last_pass(const qload_stream* stream, qload_pass_statistics* statistics,
                               qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(stream, "stream"));
    QLOAD_CHECK(require(statistics, "statistics"));
    const qload::PassStatistics from = stream->stream.last_pass();
    qload_pass_statistics to = {};
    to.seconds = from.seconds;
    to.wait_seconds = from.wait_seconds;
    to.load_seconds = from.load_seconds;
    to.overlap = from.overlap;
    to.decode_busy_seconds = from.decode_busy_seconds;
    to.bytes_read = from.bytes_read;
    to.bytes_stored = from.bytes_stored;
    to.bytes_decoded = from.bytes_decoded;
    to.pass = from.pass;
    return c_api::write_struct(to, statistics, "qload_pass_statistics");
  });
}

int qload_layer_get_info(const qload_layer* layer, qload_layer_info* info, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(layer, "layer"));
    QLOAD_CHECK(require(info, "info"));
    qload_layer_info to = {};
    to.pass = layer->layer->pass();
    to.group = layer->layer->group();
    to.layer = layer->layer->layer();
    to.stack = layer->layer->stack();
    to.part = layer->layer->part();
    to.part_count = layer->layer->part_count();
    to.tensor_count = layer->layer->tensors().size();
    return c_api::write_struct(to, info, "qload_layer_info");
  });
}

size_t qload_layer_tensors(const qload_layer* layer, qload_layer_tensor* out, size_t capacity) {
  if (layer == nullptr) return 0;
  const auto tensors = layer->layer->tensors();
  if (out == nullptr || capacity == 0 || tensors.empty()) return tensors.size();
  const auto stride = c_api::read_struct_bytes(out, sizeof *out, "qload_layer_tensor");
  if (!stride.ok()) return 0;
  auto* to = reinterpret_cast<unsigned char*>(out);
  for (size_t i = 0; i < tensors.size() && i < capacity; ++i, to += *stride) {
    const qload_layer_tensor tensor = describe(*layer, tensors[i]);
    c_api::copy_out(&tensor, sizeof tensor, to, *stride);
  }
  return tensors.size();
}

int qload_layer_find(const qload_layer* layer, const char* name, qload_layer_tensor* out) {
  if (layer == nullptr || name == nullptr || out == nullptr) return QLOAD_ERROR_INVALID_ARGUMENT;
  return guarded(nullptr, [&]() -> Status {
    const qload::LayerTensor* tensor = layer->layer->find(name);
    if (tensor == nullptr) return Error(ErrorCode::kNotFound, {});
    return c_api::write_struct(describe(*layer, *tensor), out, "qload_layer_tensor");
  });
}

void qload_layer_close(qload_layer* layer) { delete layer; }

}  // extern "C"
