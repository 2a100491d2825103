/* The C API of tensors at random within a budget, and of expanded files. The rules of qload/c.h
 * hold; see qload/cache.h and qload/expand.h for what each call does.
 *
 * A model and a loader must outlive the caches made of them. A cache may be used from any thread;
 * closing it while a call uses it is an error.
 */
#ifndef QLOAD_C_CACHE_H
#define QLOAD_C_CACHE_H

#include "qload/c.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qload_cache qload_cache;

/* What is loaded and evicted together. */
enum { QLOAD_CACHE_UNIT_EXPERT = 0, QLOAD_CACHE_UNIT_TENSOR = 1, QLOAD_CACHE_UNIT_LAYER = 2 };

typedef struct qload_cache_options {
  size_t struct_bytes;
  uint64_t budget_bytes; /* required: decoded bytes of the cache, and the loader's staging */
  uint32_t unit;         /* QLOAD_CACHE_UNIT_ */
  uint32_t reserved;
  const qload_load_options* load; /* NULL: the defaults; its callback and statistics are not used */
} qload_cache_options;

/* See qload/cache.h, struct CacheStatistics, for each field. */
typedef struct qload_cache_statistics {
  size_t struct_bytes;
  uint64_t hits, waited_hits, misses, evictions;
  uint64_t prefetches, dropped_prefetches;
  uint64_t bytes_read, bytes_decoded;
  double wait_seconds;
  uint64_t capacity_bytes, used_bytes, held_bytes;
} qload_cache_statistics;

QLOAD_API int qload_cache_open(qload_loader* loader, const qload_model* model,
                               const qload_cache_options* options, qload_cache** cache,
                               qload_error* error);
/* Cancels what is under way. */
QLOAD_API void qload_cache_close(qload_cache* cache);
/* Any thread: calls of qload_cache_acquire that wait or load, under way and later, end with
 * QLOAD_ERROR_CANCELLED. */
QLOAD_API void qload_cache_cancel(qload_cache* cache);

/* Returns at once. */
QLOAD_API int qload_cache_prefetch(qload_cache* cache, const char* const* names, size_t count,
                                   qload_error* error);
/* All of the named tensors or none; waits. Fills out[0] to out[count - 1] in the order of the
 * names, each valid until its tensor is released. out[0].struct_bytes gives the size of each
 * element. QLOAD_ERROR_BUDGET_TOO_SMALL, at once, when what is held leaves no room. */
QLOAD_API int qload_cache_acquire(qload_cache* cache, const char* const* names, size_t count,
                                  qload_tensor* out, qload_error* error);
/* Ends one hold of each. */
QLOAD_API int qload_cache_release(qload_cache* cache, const char* const* names, size_t count,
                                  qload_error* error);
QLOAD_API int qload_cache_get_statistics(const qload_cache* cache,
                                         qload_cache_statistics* statistics, qload_error* error);

/* See qload/expand.h, struct ExpandStatistics. */
typedef struct qload_expand_statistics {
  size_t struct_bytes;
  const char* reason; /* Static. */
  uint64_t file_bytes, bytes_read;
  double seconds;
  uint32_t built; /* 0 or 1 */
  uint32_t reserved;
} qload_expand_statistics;

typedef struct qload_expand_options {
  size_t struct_bytes;
  uint32_t rebuild;                    /* 1: decode and write even when the file matches */
  uint32_t verify;                     /* 1: compare the tensors of a file that is there */
  const qload_load_options* load;      /* NULL: the defaults; its statistics are not used */
  qload_expand_statistics* statistics; /* Filled when not NULL; set its struct_bytes. */
} qload_expand_options;

/* All tensors of the model in a plain file at `path`, written when it is not there or does not
 * match, and mapped. The weights are closed by qload_weights_close; they need no loader. */
QLOAD_API int qload_expand(qload_loader* loader, const qload_model* model, const char* path,
                           const qload_expand_options* options, qload_weights** weights,
                           qload_error* error);

#ifdef __cplusplus
}
#endif

#endif /* QLOAD_C_CACHE_H */
