/* The C API of libqload: opaque handles, integer codes, caller-owned error text.
 *
 * (1) A fallible call returns 0 or a QLOAD_ERROR_ value, and fills *error when it is not NULL.
 * (2) Structs open with struct_bytes: set it to sizeof the struct. The library reads and writes
 *     no field beyond it, so fields can be appended without breaking old callers. Zeroed option
 *     fields mean the default; a NULL options pointer means all defaults.
 *     A larger struct than the library knows is taken when its unknown part is zero; what the
 *     library fills in of it is zeroed. A struct_bytes of 0 is an invalid argument.
 * (3) Strings and shapes stay valid until the model they came from is closed, data until the
 *     weights are closed. A model must outlive the weights loaded from it; a loader need not.
 * (4) Handles may be used from any thread; closing one while a call uses it is an error.
 *     Closing NULL does nothing. Up to eight loads on one loader run at once and others wait for
 *     their turn, so a callback must not load on the loader that called it: eight that did would
 *     wait for each other.
 * (5) A failed call leaves its output handle NULL; a successful one sets error->code to 0.
 * (6) Allocator hooks are called on the thread that loads or closes.
 */
#ifndef QLOAD_C_H
#define QLOAD_C_H

#include <stddef.h>
#include <stdint.h>

#include "qload/version.h"

#if defined(__GNUC__)
#define QLOAD_API __attribute__((visibility("default")))
#else
#define QLOAD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qload_loader qload_loader;
typedef struct qload_model qload_model;
typedef struct qload_weights qload_weights;

enum {
  QLOAD_OK = 0,
  QLOAD_ERROR_INVALID_ARGUMENT = 1,
  QLOAD_ERROR_NOT_FOUND = 2,
  QLOAD_ERROR_CANCELLED = 3,
  QLOAD_ERROR_OUT_OF_MEMORY = 4,
  QLOAD_ERROR_BUDGET_TOO_SMALL = 5,
  QLOAD_ERROR_TIMEOUT = 6,
  QLOAD_ERROR_IO = 10,
  QLOAD_ERROR_NO_SPACE = 11,
  QLOAD_ERROR_UNSUPPORTED = 20,
  QLOAD_ERROR_CORRUPT = 30,
  QLOAD_ERROR_UNTRUSTED = 31
};

/* The value of `layer` and `stack` for a tensor that belongs to no layer. */
#define QLOAD_NO_LAYER 0xFFFFFFFFu

/* What went wrong: code as returned, message NUL-terminated (cut to fit). */
typedef struct qload_error {
  int32_t code;
  char message[508];
} qload_error;

enum {
  QLOAD_MEMORY_CPU_WRITABLE = 1, /* Required today. */
  QLOAD_MEMORY_PINNED = 2,       /* Already locked; never mlocked by the library. */
  QLOAD_MEMORY_NO_DIRECT_IO = 4  /* The kernel cannot read into it directly. */
};

/* Memory hook; both functions NULL: the built-in allocator. flags 0 means CPU_WRITABLE. */
typedef struct qload_allocator {
  void* (*allocate)(void* context, size_t bytes, size_t alignment);
  void (*release)(void* context, void* block, size_t bytes);
  void* context;
  uint32_t flags;
  uint32_t reserved;
} qload_allocator;

typedef struct qload_digest {
  uint32_t algorithm; /* 0: none; 1: XXH3-128, canonical, in bytes[0..15]. */
  uint8_t bytes[32];
} qload_digest;

/* Element types. Numbers are frozen; a ggml block type T is 256 + T (ggml.h, enum ggml_type), for
 * example 258 for Q4_0. qload_dtype_name names them all. */
enum {
  QLOAD_DTYPE_F32 = 1,
  QLOAD_DTYPE_F16 = 2,
  QLOAD_DTYPE_BF16 = 3,
  QLOAD_DTYPE_F64 = 4,
  QLOAD_DTYPE_I8 = 5,
  QLOAD_DTYPE_U8 = 6,
  QLOAD_DTYPE_I16 = 7,
  QLOAD_DTYPE_U16 = 8,
  QLOAD_DTYPE_I32 = 9,
  QLOAD_DTYPE_U32 = 10,
  QLOAD_DTYPE_I64 = 11,
  QLOAD_DTYPE_U64 = 12,
  QLOAD_DTYPE_BOOL = 13,
  QLOAD_DTYPE_C64 = 14,
  QLOAD_DTYPE_F8_E4M3 = 15,
  QLOAD_DTYPE_F8_E5M2 = 16,
  QLOAD_DTYPE_F8_E8M0 = 17,
  QLOAD_DTYPE_F8_E4M3FNUZ = 18,
  QLOAD_DTYPE_F8_E5M2FNUZ = 19,
  QLOAD_DTYPE_F6_E2M3 = 20,
  QLOAD_DTYPE_F6_E3M2 = 21,
  QLOAD_DTYPE_F4 = 22,
  QLOAD_DTYPE_GGML = 256 /* Plus ggml's number. */
};

/* A tensor: what the index says, and its bytes where there are any. As input to
 * qload_load_into only name, data and bytes are read. */
typedef struct qload_tensor {
  size_t struct_bytes;
  const char* name;      /* NUL-terminated UTF-8. */
  void* data;            /* NULL when it only describes a tensor. */
  const uint64_t* shape; /* rank dimensions, outermost first; NULL when rank is 0. */
  uint64_t bytes;        /* Decoded. */
  uint64_t stored_bytes; /* In the container; tensors of equal bytes may share them. */
  uint32_t rank;
  uint32_t dtype; /* QLOAD_DTYPE_ */
  uint32_t layer; /* QLOAD_NO_LAYER: none. */
  uint32_t stack;
  uint32_t file;       /* Which source file it came from, see qload_model_file. */
  qload_digest digest; /* Of the decoded bytes. */
} qload_tensor;

typedef struct qload_model_options {
  size_t struct_bytes;
  uint64_t decoded_bytes_max;   /* 0: no limit. */
  qload_digest expected_digest; /* algorithm 0: any. */
} qload_model_options;

typedef struct qload_model_info {
  size_t struct_bytes;
  uint64_t decoded_bytes;
  uint64_t stored_bytes;
  uint64_t tensor_count;
  uint32_t layer_count;
  uint32_t file_count;
  qload_digest digest;
} qload_model_info;

typedef struct qload_source_file {
  size_t struct_bytes;
  const char* path;
  const char* format; /* "safetensors", "gguf", "raw", "companion". */
  uint64_t bytes;
  uint64_t header_bytes;
} qload_source_file;

enum { QLOAD_IO_AUTO = 0, QLOAD_IO_URING = 1, QLOAD_IO_PREAD = 2 };
enum { QLOAD_DIRECT_OPTIONAL = 0, QLOAD_DIRECT_REQUIRED = 1, QLOAD_DIRECT_DISABLED = 2 };
enum { QLOAD_VERIFY_CHUNKS = 0, QLOAD_VERIFY_INDEX_ONLY = 1, QLOAD_VERIFY_DECODED = 2 };
enum { QLOAD_PINNING_AUTO = 0, QLOAD_PINNING_NEVER = 1, QLOAD_PINNING_REQUIRED = 2 };
enum { QLOAD_HUGE_PAGES_AUTO = 0, QLOAD_HUGE_PAGES_NEVER = 1, QLOAD_HUGE_PAGES_ALWAYS = 2 };
enum {
  QLOAD_PAGE_CACHE_AUTO = 0,
  QLOAD_PAGE_CACHE_KEEP = 1,
  QLOAD_PAGE_CACHE_DROP = 2,
  QLOAD_PAGE_CACHE_BYPASS = 3
};
enum {
  QLOAD_STAGE_NONE = 0,
  QLOAD_STAGE_STORAGE = 1,
  QLOAD_STAGE_DECODE = 2,
  QLOAD_STAGE_DESTINATION = 3,
  QLOAD_STAGE_PAGE_CACHE = 4
};

typedef struct qload_loader_options {
  size_t struct_bytes;
  uint32_t io_backend;     /* QLOAD_IO_ */
  uint32_t direct_io;      /* QLOAD_DIRECT_ */
  uint32_t queue_depth;    /* 0: 32 */
  uint32_t decode_threads; /* 0: one for each processor the process may use and has time on */
  uint64_t staging_bytes;  /* 0: 32 MiB */
  uint32_t read_bytes;     /* 0: 1 MiB */
  uint32_t reserved;
  qload_allocator staging_allocator;
  uint64_t memory_bytes_max;  /* held at once; 0: what the control group leaves */
  uint64_t reuse_bytes;       /* destination memory kept for later loads; 0: none */
  const uint32_t* processors; /* that threads may run on; read by qload_loader_open only */
  uint64_t processor_count;   /* 0: all that the process may use */
  int32_t thread_nice;        /* added to decode threads' niceness, -20 to 19 */
  uint32_t ignore_cgroup;     /* 1: let the control group's memory limit and CPU quota be */
} qload_loader_options;

/* See qload/options.h, struct LoadStatistics, for each field. */
typedef struct qload_statistics {
  size_t struct_bytes;
  double seconds;
  uint64_t bytes_decoded, bytes_stored, bytes_read, bytes_read_in_place;
  uint64_t read_count, short_read_count, chunk_count;
  double read_wait_seconds, staging_wait_seconds;
  double decode_busy_seconds, decode_wait_seconds, prefault_busy_seconds;
  uint32_t decode_threads, queue_depth;
  uint64_t staging_bytes, destination_bytes, pinned_bytes;
  uint32_t engine; /* QLOAD_IO_ */
  uint32_t bound;  /* QLOAD_STAGE_ */
  uint8_t direct, direct_refused, cached_file, registered_files, registered_buffers, huge_pages;
  uint8_t reserved[2];
  uint32_t kernel_refusal;
  uint32_t read_bytes; /* largest single read at the end of the load */
  uint64_t reused_bytes;
  uint64_t in_flight_bytes;
  double cache_read_seconds;
} qload_statistics;

typedef struct qload_load_options {
  size_t struct_bytes;
  uint32_t verify;     /* QLOAD_VERIFY_ */
  uint32_t pinning;    /* QLOAD_PINNING_ */
  uint32_t huge_pages; /* QLOAD_HUGE_PAGES_ */
  uint32_t page_cache; /* QLOAD_PAGE_CACHE_ */
  qload_allocator allocator;
  /* Called on the calling thread at least every 100 ms, and once at the end. Return 0 to go on,
   * anything else to cancel. */
  int (*on_progress)(void* context, uint64_t bytes_decoded, uint64_t bytes_total);
  void* progress_context;
  qload_statistics* statistics; /* Filled when not NULL; set its struct_bytes. */
} qload_load_options;

QLOAD_API const char* qload_version(void);
QLOAD_API const char* qload_error_name(int32_t code);
/* The instruction set that entropy-coded chunks are decoded with in this process: "scalar", "sse",
 * "avx2", "avx512" or "neon". QLOAD_KERNEL overrides the choice. */
QLOAD_API const char* qload_decode_kernel(void);
/* Name of a dtype as its file format spells it, or NULL for an unknown value. */
QLOAD_API const char* qload_dtype_name(uint32_t dtype);

/* Bytes that this process can still take before the memory limit of one of its control groups, page
 * cache counted as free; UINT64_MAX when no group has a limit. */
QLOAD_API uint64_t qload_memory_headroom(void);

QLOAD_API int qload_loader_open(const qload_loader_options* options, qload_loader** loader,
                                qload_error* error);
QLOAD_API void qload_loader_close(qload_loader* loader);

QLOAD_API int qload_model_open(const char* path, const qload_model_options* options,
                               qload_model** model, qload_error* error);
/* A container at [offset, offset + bytes) of an open file; bytes 0: to its end. The descriptor
 * is duplicated; the caller keeps its own. */
QLOAD_API int qload_model_open_fd(int descriptor, uint64_t offset, uint64_t bytes,
                                  const qload_model_options* options, qload_model** model,
                                  qload_error* error);
QLOAD_API void qload_model_close(qload_model* model);

QLOAD_API int qload_model_get_info(const qload_model* model, qload_model_info* info,
                                   qload_error* error);
/* Fills up to `capacity` tensors in load order; returns how many there are. out[0].struct_bytes
 * gives the size of each element. */
QLOAD_API size_t qload_model_tensors(const qload_model* model, qload_tensor* out, size_t capacity);
QLOAD_API int qload_model_find(const qload_model* model, const char* name, qload_tensor* out);
QLOAD_API int qload_model_file(const qload_model* model, uint32_t file, qload_source_file* out,
                               qload_error* error);
/* Copies the original header of source file `file` into buffer (capacity at least header_bytes,
 * see qload_model_file). *bytes receives its size. */
QLOAD_API int qload_model_read_header(const qload_model* model, uint32_t file, void* buffer,
                                      uint64_t capacity, uint64_t* bytes, qload_error* error);

/* names NULL and count 0: all tensors. */
QLOAD_API int qload_load(qload_loader* loader, const qload_model* model, const char* const* names,
                         size_t count, const qload_load_options* options, qload_weights** weights,
                         qload_error* error);
/* Decodes into caller memory: destinations[i].name, .data, .bytes (the tensor's exact size). */
QLOAD_API int qload_load_into(qload_loader* loader, const qload_model* model,
                              const qload_tensor* destinations, size_t count,
                              const qload_load_options* options, qload_error* error);
/* Same conventions as qload_model_tensors, with data set. */
QLOAD_API size_t qload_weights_tensors(const qload_weights* weights, qload_tensor* out,
                                       size_t capacity);
QLOAD_API int qload_weights_find(const qload_weights* weights, const char* name, qload_tensor* out);
QLOAD_API void qload_weights_close(qload_weights* weights);

#ifdef __cplusplus
}
#endif

#endif /* QLOAD_C_H */
