/* A C program against the public header: opens, lists, loads, compares. Run with the directory
 * that make_api_fixture filled. */
#include "qload/c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

#define CHECK_OK(call)                                                                       \
  do {                                                                                       \
    if ((call) != QLOAD_OK) {                                                                \
      fprintf(stderr, "%s:%d: %d %s\n", __FILE__, __LINE__, (int)error.code, error.message); \
      exit(1);                                                                               \
    }                                                                                        \
  } while (0)

enum { TENSOR_COUNT = 8, TENSOR_MAX = 16 };

static qload_error error;

static unsigned char* read_whole(const char* path, size_t* bytes) {
  FILE* file = fopen(path, "rb");
  long end;
  unsigned char* data;
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0);
  end = ftell(file);
  CHECK(end >= 0);
  rewind(file);
  data = malloc((size_t)end + 1);
  CHECK(data != NULL);
  CHECK(fread(data, 1, (size_t)end, file) == (size_t)end);
  fclose(file);
  *bytes = (size_t)end;
  return data;
}

/* A memory hook that counts. */
struct counter {
  int blocks;
  size_t bytes;
};

static void* counted_allocate(void* context, size_t bytes, size_t alignment) {
  struct counter* counter = context;
  ++counter->blocks;
  counter->bytes += bytes;
  return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void counted_release(void* context, void* block, size_t bytes) {
  struct counter* counter = context;
  --counter->blocks;
  counter->bytes -= bytes;
  free(block);
}

struct progress {
  int calls;
  uint64_t decoded;
  uint64_t total;
  int answer;
};

static int on_progress(void* context, uint64_t bytes_decoded, uint64_t bytes_total) {
  struct progress* progress = context;
  ++progress->calls;
  progress->decoded = bytes_decoded;
  progress->total = bytes_total;
  return progress->answer;
}

static void check_model(const qload_model* model, size_t expected_bytes) {
  qload_model_info info = {.struct_bytes = sizeof info};
  qload_source_file file = {.struct_bytes = sizeof file};
  qload_tensor tensor = {.struct_bytes = sizeof tensor};
  char header[64];
  uint64_t header_bytes = 0;

  CHECK_OK(qload_model_get_info(model, &info, &error));
  CHECK(info.struct_bytes == sizeof info);
  CHECK(info.tensor_count == TENSOR_COUNT);
  CHECK(info.decoded_bytes == expected_bytes);
  CHECK(info.layer_count == 2 && info.file_count == 1);
  CHECK(info.digest.algorithm == 1);

  CHECK_OK(qload_model_file(model, 0, &file, &error));
  CHECK(strcmp(file.path, "model.safetensors") == 0);
  CHECK(strcmp(file.format, "safetensors") == 0);
  CHECK(file.header_bytes <= sizeof header);
  CHECK_OK(qload_model_read_header(model, 0, header, sizeof header, &header_bytes, &error));
  CHECK(header_bytes == file.header_bytes);
  CHECK(memcmp(header, "a header of a source file", 25) == 0);

  CHECK(qload_model_find(model, "layers.1.up", &tensor) == QLOAD_OK);
  CHECK(strcmp(tensor.name, "layers.1.up") == 0);
  CHECK(tensor.rank == 2 && tensor.shape[0] == 256 && tensor.shape[1] == 300);
  CHECK(strcmp(qload_dtype_name(tensor.dtype), "BF16") == 0);
  CHECK(tensor.layer == 1 && tensor.stack == 0 && tensor.data == NULL);
  CHECK(qload_model_find(model, "layers.1", &tensor) == QLOAD_ERROR_NOT_FOUND);
}

static void check_load(qload_loader* loader, const qload_model* model,
                       const unsigned char* expected) {
  struct counter counter = {0, 0};
  struct progress progress = {0, 0, 0, 0};
  qload_statistics statistics = {.struct_bytes = sizeof statistics};
  qload_load_options options = {.struct_bytes = sizeof options};
  qload_weights* weights = NULL;
  qload_tensor tensors[TENSOR_MAX] = {{.struct_bytes = sizeof tensors[0]}};
  size_t count;
  size_t at = 0;
  size_t i;

  options.verify = QLOAD_VERIFY_DECODED;
  options.allocator.allocate = counted_allocate;
  options.allocator.release = counted_release;
  options.allocator.context = &counter;
  options.on_progress = on_progress;
  options.progress_context = &progress;
  options.statistics = &statistics;
  CHECK_OK(qload_load(loader, model, NULL, 0, &options, &weights, &error));
  CHECK(counter.blocks == 1);
  CHECK(progress.calls >= 1 && progress.decoded == progress.total);
  CHECK(statistics.struct_bytes == sizeof statistics);
  CHECK(statistics.bytes_decoded == progress.total);
  CHECK(statistics.engine == QLOAD_IO_URING || statistics.engine == QLOAD_IO_PREAD);
  CHECK(statistics.decode_threads == 2);

  count = qload_weights_tensors(weights, tensors, TENSOR_MAX);
  CHECK(count == TENSOR_COUNT);
  for (i = 0; i < count; ++i) {
    CHECK(tensors[i].struct_bytes == sizeof tensors[i]);
    CHECK(tensors[i].bytes == 0 || memcmp(tensors[i].data, expected + at, tensors[i].bytes) == 0);
    at += tensors[i].bytes;
  }
  qload_weights_close(weights);
  CHECK(counter.blocks == 0 && counter.bytes == 0);
}

static void check_named(qload_loader* loader, const qload_model* model) {
  const char* names[] = {"norm", "embed.weight"};
  const char* absent[] = {"norm", "nobody"};
  qload_weights* weights = NULL;
  qload_tensor tensor = {.struct_bytes = sizeof tensor};

  CHECK_OK(qload_load(loader, model, names, 2, NULL, &weights, &error));
  CHECK(qload_weights_tensors(weights, NULL, 0) == 2);
  CHECK(qload_weights_find(weights, "norm", &tensor) == QLOAD_OK);
  CHECK(tensor.data != NULL && tensor.bytes == 256);
  CHECK(qload_weights_find(weights, "zero", &tensor) == QLOAD_ERROR_NOT_FOUND);
  qload_weights_close(weights);

  CHECK(qload_load(loader, model, absent, 2, NULL, &weights, &error) == QLOAD_ERROR_NOT_FOUND);
  CHECK(weights == NULL);
  CHECK(error.code == QLOAD_ERROR_NOT_FOUND);
  CHECK(strstr(error.message, "nobody") != NULL);
}

static void check_load_into(qload_loader* loader, const qload_model* model,
                            const unsigned char* expected, size_t expected_bytes) {
  qload_tensor tensors[TENSOR_MAX] = {{.struct_bytes = sizeof tensors[0]}};
  unsigned char* memory = calloc(1, expected_bytes);
  size_t count = qload_model_tensors(model, tensors, TENSOR_MAX);
  size_t at = 0;
  size_t i;

  CHECK(memory != NULL && count == TENSOR_COUNT);
  for (i = 0; i < count; ++i) {
    tensors[i].data = memory + at;
    at += tensors[i].bytes;
  }
  CHECK(at == expected_bytes);
  CHECK_OK(qload_load_into(loader, model, tensors, count, NULL, &error));
  CHECK(memcmp(memory, expected, expected_bytes) == 0);

  ++tensors[0].bytes;
  CHECK(qload_load_into(loader, model, tensors, count, NULL, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "embed.weight") != NULL);
  free(memory);
}

static void check_cancel(qload_loader* loader, const qload_model* model) {
  struct progress progress = {0, 0, 0, 1};
  qload_load_options options = {.struct_bytes = sizeof options};
  qload_weights* weights = NULL;
  int code;

  options.on_progress = on_progress;
  options.progress_context = &progress;
  code = qload_load(loader, model, NULL, 0, &options, &weights, &error);
  /* A load that is done before its first report is not cancelled any more. */
  CHECK(code == QLOAD_ERROR_CANCELLED || code == QLOAD_OK);
  CHECK((weights != NULL) == (code == QLOAD_OK));
  CHECK(progress.calls >= 1);
  qload_weights_close(weights);
}

int main(int argc, char** argv) {
  char path[4096];
  size_t expected_bytes;
  unsigned char* expected;
  qload_loader_options options = {.struct_bytes = sizeof options};
  qload_loader* loader = NULL;
  qload_model* model = NULL;

  CHECK(argc == 2);
  CHECK(strcmp(qload_version(), QLOAD_VERSION_STRING) == 0);
  snprintf(path, sizeof path, "%s/model.bin", argv[1]);
  expected = read_whole(path, &expected_bytes);
  snprintf(path, sizeof path, "%s/absent.qpk", argv[1]);
  CHECK(qload_model_open(path, NULL, &model, &error) == QLOAD_ERROR_NOT_FOUND);
  CHECK(model == NULL && strstr(error.message, "absent.qpk") != NULL);
  CHECK(strcmp(qload_error_name(error.code), "not found") == 0);

  snprintf(path, sizeof path, "%s/model.qpk", argv[1]);
  options.decode_threads = 2;
  CHECK_OK(qload_loader_open(&options, &loader, &error));
  CHECK_OK(qload_model_open(path, NULL, &model, &error));
  check_model(model, expected_bytes);
  check_load(loader, model, expected);
  check_named(loader, model);
  check_load_into(loader, model, expected, expected_bytes);
  check_cancel(loader, model);
  qload_model_close(model);
  qload_loader_close(loader);
  qload_weights_close(NULL);
  qload_model_close(NULL);
  qload_loader_close(NULL);
  free(expected);
  printf("ok\n");
  return 0;
}
