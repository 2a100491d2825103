/* A C program against qload/c_cache.h: a cache and an expanded file. Run with the directory that
 * make_api_fixture filled. */
#include "qload/c_cache.h"

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

enum { TENSOR_COUNT = 8, TENSOR_MAX = 16, STAGING_BYTES = 1 << 20 };

static qload_error error;
static qload_tensor all[TENSOR_MAX];
static unsigned char* expected;

static void read_expected(const char* path) {
  FILE* file = fopen(path, "rb");
  long end;
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0);
  end = ftell(file);
  CHECK(end > 0);
  rewind(file);
  expected = malloc((size_t)end);
  CHECK(expected != NULL);
  CHECK(fread(expected, 1, (size_t)end, file) == (size_t)end);
  fclose(file);
}

/* Compares a tensor with its part of model.bin, which has all in load order. */
static void check_bytes(const qload_tensor* tensor) {
  size_t at = 0;
  size_t i;
  for (i = 0; i < TENSOR_COUNT; ++i) {
    if (strcmp(all[i].name, tensor->name) == 0) {
      CHECK(tensor->bytes == all[i].bytes);
      CHECK(tensor->bytes == 0 || memcmp(tensor->data, expected + at, tensor->bytes) == 0);
      return;
    }
    at += all[i].bytes;
  }
  CHECK(0);
}

static void check_cache(qload_loader* loader, const qload_model* model) {
  const char* names[] = {"norm", "embed.weight"};
  const char* absent[] = {"norm", "nobody"};
  const char* up[] = {"layers.1.up"};
  const char* other[] = {"layers.0.up"};
  qload_cache_options options = {.struct_bytes = sizeof options};
  qload_cache_statistics statistics = {.struct_bytes = sizeof statistics};
  qload_load_options load = {.struct_bytes = sizeof load};
  qload_tensor tensors[2] = {{.struct_bytes = sizeof tensors[0]}};
  qload_cache* cache = NULL;

  CHECK(qload_cache_open(loader, model, &options, &cache, &error) == QLOAD_ERROR_BUDGET_TOO_SMALL);
  CHECK(cache == NULL && strstr(error.message, "expected at least") != NULL);
  options.budget_bytes = STAGING_BYTES + (1 << 20);
  options.unit = 3;
  CHECK(qload_cache_open(loader, model, &options, &cache, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  options.unit = QLOAD_CACHE_UNIT_TENSOR;
  load.verify = QLOAD_VERIFY_DECODED;
  options.load = &load;
  CHECK_OK(qload_cache_open(loader, model, &options, &cache, &error));

  CHECK_OK(qload_cache_acquire(cache, names, 2, tensors, &error));
  CHECK(strcmp(tensors[0].name, "norm") == 0 && strcmp(tensors[1].name, "embed.weight") == 0);
  check_bytes(&tensors[0]);
  check_bytes(&tensors[1]);
  CHECK(qload_cache_acquire(cache, absent, 2, tensors, &error) == QLOAD_ERROR_NOT_FOUND);
  CHECK(qload_cache_acquire(cache, NULL, 2, tensors, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_cache_release(cache, up, 1, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK_OK(qload_cache_prefetch(cache, up, 1, &error));
  CHECK_OK(qload_cache_acquire(cache, up, 1, tensors, &error));
  check_bytes(&tensors[0]);
  CHECK_OK(qload_cache_release(cache, up, 1, &error));
  CHECK_OK(qload_cache_release(cache, names, 2, &error));

  CHECK_OK(qload_cache_get_statistics(cache, &statistics, &error));
  CHECK(statistics.hits + statistics.misses == 3);
  CHECK(statistics.misses >= 2 && statistics.evictions == 0);
  CHECK(statistics.held_bytes == 0 && statistics.used_bytes <= statistics.capacity_bytes);
  qload_cache_cancel(cache);
  qload_cache_cancel(NULL);
  CHECK(qload_cache_acquire(cache, other, 1, tensors, &error) == QLOAD_ERROR_CANCELLED);
  qload_cache_close(cache);
  qload_cache_close(NULL);
}

static int count_calls(void* context, uint64_t bytes_decoded, uint64_t bytes_total) {
  CHECK(bytes_decoded <= bytes_total);
  ++*(int*)context;
  return 0;
}

static void check_expand(qload_loader* loader, const qload_model* model, const char* path) {
  int calls = 0;
  qload_load_options load = {.struct_bytes = sizeof load};
  qload_expand_statistics statistics = {.struct_bytes = sizeof statistics};
  qload_expand_options options = {.struct_bytes = sizeof options};
  qload_weights* weights = NULL;
  qload_tensor tensors[TENSOR_MAX] = {{.struct_bytes = sizeof tensors[0]}};
  size_t count;
  size_t i;
  int round;

  CHECK(qload_expand(loader, model, "", NULL, &weights, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  remove(path);
  load.on_progress = count_calls;
  load.progress_context = &calls;
  options.load = &load;
  options.statistics = &statistics;
  for (round = 0; round < 2; ++round) {
    options.verify = (uint32_t)round;
    CHECK_OK(qload_expand(loader, model, path, &options, &weights, &error));
    CHECK(statistics.built == (round == 0));
    CHECK(strcmp(statistics.reason, round == 0 ? "absent" : "complete") == 0);
    CHECK(statistics.file_bytes % 4096 == 0 && calls > round);
    count = qload_weights_tensors(weights, tensors, TENSOR_MAX);
    CHECK(count == TENSOR_COUNT);
    for (i = 0; i < count; ++i) check_bytes(&tensors[i]);
    qload_weights_close(weights);
  }
  options.rebuild = 2;
  CHECK(qload_expand(loader, model, path, &options, &weights, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(weights == NULL);
  CHECK_OK(qload_expand(loader, model, path, NULL, &weights, &error));
  qload_weights_close(weights);
  remove(path);
}

int main(int argc, char** argv) {
  char path[4096];
  qload_loader_options options = {.struct_bytes = sizeof options};
  qload_loader* loader = NULL;
  qload_model* model = NULL;

  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/model.bin", argv[1]);
  read_expected(path);
  options.decode_threads = 2;
  options.staging_bytes = STAGING_BYTES;
  options.ignore_cgroup = 1;
  CHECK_OK(qload_loader_open(&options, &loader, &error));
  snprintf(path, sizeof path, "%s/model.qpk", argv[1]);
  CHECK_OK(qload_model_open(path, NULL, &model, &error));
  all[0].struct_bytes = sizeof all[0];
  CHECK(qload_model_tensors(model, all, TENSOR_MAX) == TENSOR_COUNT);
  check_cache(loader, model);
  snprintf(path, sizeof path, "%s/c_cache_program.qxp", argv[1]);
  check_expand(loader, model, path);
  qload_model_close(model);
  qload_loader_close(loader);
  free(expected);
  printf("ok\n");
  return 0;
}
