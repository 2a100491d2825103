/* The C API of weights kept packed in memory, and of their rows. The rules of qload/c.h hold; see
 * qload/packed.h for what each call does.
 *
 * A model must outlive the packed weights loaded from it, and those the rows opened on them; a
 * loader need not. Packed weights may be read from any thread, rows by one thread at a time.
 */
#ifndef QLOAD_C_PACKED_H
#define QLOAD_C_PACKED_H

#include "qload/c.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qload_packed qload_packed;
typedef struct qload_rows qload_rows;

typedef struct qload_rows_options {
  size_t struct_bytes;
  uint64_t buffer_bytes; /* for decoded rows; 0: 64 KiB; at least one row is held */
} qload_rows_options;

typedef struct qload_rows_info {
  size_t struct_bytes;
  uint64_t row_count;
  uint64_t row_bytes;
  uint64_t next_row; /* that qload_rows_next begins with */
} qload_rows_info;

/* Some rows, decoded; valid until the next call on the same qload_rows. */
typedef struct qload_rows_view {
  size_t struct_bytes;
  uint64_t first_row;
  uint64_t row_count; /* 0: no row is left */
  uint64_t bytes;     /* row_count rows */
  const void* data;   /* NULL when row_count is 0 */
} qload_rows_view;

/* names NULL and count 0: all tensors. Progress and statistics count stored bytes. */
QLOAD_API int qload_load_packed(qload_loader* loader, const qload_model* model,
                                const char* const* names, size_t count,
                                const qload_load_options* options, qload_packed** packed,
                                qload_error* error);
QLOAD_API void qload_packed_close(qload_packed* packed);
/* Memory that they hold; 0 for NULL. */
QLOAD_API uint64_t qload_packed_stored_bytes(const qload_packed* packed);
/* Same conventions as qload_model_tensors. */
QLOAD_API size_t qload_packed_tensors(const qload_packed* packed, qload_tensor* out,
                                      size_t capacity);
QLOAD_API int qload_packed_find(const qload_packed* packed, const char* name, qload_tensor* out);
/* Decodes whole tensors into caller memory, as qload_load_into does. */
QLOAD_API int qload_packed_decode(qload_loader* loader, const qload_packed* packed,
                                  const qload_tensor* destinations, size_t count,
                                  const qload_load_options* options, qload_error* error);

QLOAD_API int qload_rows_open(const qload_packed* packed, const char* name,
                              const qload_rows_options* options, qload_rows** rows,
                              qload_error* error);
/* Goes on at row 0 of another tensor, with the memory that `rows` has. */
QLOAD_API int qload_rows_reopen(qload_rows* rows, const qload_packed* packed, const char* name,
                                qload_error* error);
QLOAD_API void qload_rows_close(qload_rows* rows);
QLOAD_API int qload_rows_get_info(const qload_rows* rows, qload_rows_info* info,
                                  qload_error* error);
/* The first row that begins in the chunk where `row` begins: where threads split a tensor. */
QLOAD_API uint64_t qload_rows_chunk_start(const qload_rows* rows, uint64_t row);
QLOAD_API int qload_rows_seek(qload_rows* rows, uint64_t row, qload_error* error);
/* The next rows, at most count_max; at least one unless none is left. */
QLOAD_API int qload_rows_next(qload_rows* rows, uint64_t count_max, qload_rows_view* view,
                              qload_error* error);
/* Decodes rows [first, first + count) to `out` of `bytes` bytes, their exact size. */
QLOAD_API int qload_rows_decode(qload_rows* rows, uint64_t first, uint64_t count, void* out,
                                uint64_t bytes, qload_error* error);

/* Rows [first, first + count) of one tensor, from storage to `out` of `bytes` bytes, their exact
 * size; only the chunks that hold them are read. */
QLOAD_API int qload_load_rows(qload_loader* loader, const qload_model* model, const char* name,
                              uint64_t first, uint64_t count, void* out, uint64_t bytes,
                              const qload_load_options* options, qload_error* error);

#ifdef __cplusplus
}
#endif

#endif /* QLOAD_C_PACKED_H */
