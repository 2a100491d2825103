/* The C API of layer streams. The rules of qload/c.h hold; see qload/stream.h for what each option
 * and figure means.
 *
 * A stream is closed before its loader. Layers are closed in any order, from any thread, before or
 * after their stream and loader, and before their model. qload_stream_next is called by one thread
 * at a time.
 */
#ifndef QLOAD_C_STREAM_H
#define QLOAD_C_STREAM_H

#include "qload/c.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qload_stream qload_stream;
typedef struct qload_layer qload_layer;

/* Arrays are read by qload_stream_open only. */
typedef struct qload_stream_options {
  size_t struct_bytes;
  uint64_t budget_bytes; /* required */
  uint32_t passes;       /* 0: without end */
  uint32_t no_fill;      /* 1: only what `resident` names stays decoded */
  const uint32_t* order; /* groups of a pass; NULL: all, in execution order */
  uint64_t order_count;
  const char* const* resident; /* name patterns with * and ? */
  uint64_t resident_count;
  const char* const* skip; /* name patterns */
  uint64_t skip_count;
  uint32_t keep_packed;     /* 1: keep stored bytes in memory where that is faster */
  uint32_t compute_threads; /* that compute_seconds takes; 0: all */
  uint64_t part_bytes;      /* 0: layers come whole */
  double storage_rate;      /* bytes a second; 0: not known, like the next two */
  double decode_rate;       /* decoded bytes a second, all threads */
  double compute_seconds;   /* of a pass */
  /* on_progress tells of what qload_stream_open loads, and may cancel it; no statistics. NULL: all
   * defaults. */
  const qload_load_options* load;
} qload_stream_options;

typedef struct qload_stream_facts {
  size_t struct_bytes;
  uint64_t budget_bytes, staging_bytes, resident_bytes, packed_bytes, portion_bytes;
  uint64_t storage_bytes_per_pass, decoded_bytes_per_pass;
  double seconds_per_pass; /* as modelled */
  uint32_t parts_per_pass;
  uint32_t overlaps; /* 1: two layers fit */
} qload_stream_facts;

typedef struct qload_pass_statistics {
  size_t struct_bytes;
  double seconds, wait_seconds, load_seconds, overlap, decode_busy_seconds;
  uint64_t bytes_read, bytes_stored, bytes_decoded;
  uint32_t pass;
  uint32_t reserved;
} qload_pass_statistics;

typedef struct qload_layer_info {
  size_t struct_bytes;
  uint32_t pass;
  uint32_t group;
  uint32_t layer; /* QLOAD_NO_LAYER: before or after the layers */
  uint32_t stack;
  uint32_t part;
  uint32_t part_count;
  uint64_t tensor_count;
} qload_layer_info;

/* A tensor of a layer, or a range of its rows. */
typedef struct qload_layer_tensor {
  size_t struct_bytes;
  uint64_t data_bytes; /* of tensor.data */
  uint64_t offset;     /* of data in the tensor */
  uint64_t first_row;
  uint64_t row_count;
  qload_tensor tensor; /* data may be a range of its rows; bytes is the whole tensor's */
} qload_layer_tensor;

QLOAD_API int qload_stream_open(qload_loader* loader, const qload_model* model,
                                const qload_stream_options* options, qload_stream** stream,
                                qload_error* error);
QLOAD_API void qload_stream_close(qload_stream* stream);
/* Waits for the next layer; *layer is NULL when the stream is done. */
QLOAD_API int qload_stream_next(qload_stream* stream, qload_layer** layer, qload_error* error);
/* Any thread: calls of qload_stream_next, under way and later, end with QLOAD_ERROR_CANCELLED. */
QLOAD_API void qload_stream_cancel(qload_stream* stream);
QLOAD_API int qload_stream_get_facts(const qload_stream* stream, qload_stream_facts* facts,
                                     qload_error* error);
/* Of the last pass whose layers were all given out. */
QLOAD_API int qload_stream_get_last_pass(const qload_stream* stream,
                                         qload_pass_statistics* statistics, qload_error* error);

QLOAD_API int qload_layer_get_info(const qload_layer* layer, qload_layer_info* info,
                                   qload_error* error);
/* Fills up to `capacity` elements in load order, each of out[0].struct_bytes; returns how many
 * there are. */
QLOAD_API size_t qload_layer_tensors(const qload_layer* layer, qload_layer_tensor* out,
                                     size_t capacity);
QLOAD_API int qload_layer_find(const qload_layer* layer, const char* name, qload_layer_tensor* out);
QLOAD_API void qload_layer_close(qload_layer* layer);

#ifdef __cplusplus
}
#endif

#endif /* QLOAD_C_STREAM_H */
