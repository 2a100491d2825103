/* A C program that passes over a model layer after layer. Run with the directory that
 * make_api_fixture filled. */
#include "qload/c_stream.h"

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

enum { TENSOR_COUNT = 8, TENSOR_MAX = 16, PASSES = 3 };

static qload_error error;

static void check_layer(const qload_layer* layer, const qload_weights* expected) {
  qload_layer_tensor tensors[TENSOR_MAX] = {{.struct_bytes = sizeof tensors[0]}};
  qload_layer_tensor found = {.struct_bytes = sizeof found};
  const size_t count = qload_layer_tensors(layer, tensors, TENSOR_MAX);
  size_t i;
  CHECK(count > 0 && count <= TENSOR_MAX);
  for (i = 0; i < count; ++i) {
    qload_tensor whole = {.struct_bytes = sizeof whole};
    CHECK(qload_weights_find(expected, tensors[i].tensor.name, &whole) == QLOAD_OK);
    CHECK(tensors[i].tensor.bytes == whole.bytes);
    CHECK(tensors[i].offset == 0 && tensors[i].data_bytes == whole.bytes);
    if (whole.bytes > 0) CHECK(memcmp(tensors[i].tensor.data, whole.data, whole.bytes) == 0);
    CHECK(qload_layer_find(layer, tensors[i].tensor.name, &found) == QLOAD_OK);
    CHECK(found.tensor.data == tensors[i].tensor.data);
  }
  CHECK(qload_layer_find(layer, "nobody", &found) == QLOAD_ERROR_NOT_FOUND);
}

static void stream_through(qload_loader* loader, const qload_model* model,
                           const qload_weights* expected, uint64_t budget) {
  const char* resident[] = {"norm"};
  qload_stream_options options = {.struct_bytes = sizeof options,
                                  .budget_bytes = budget,
                                  .passes = PASSES,
                                  .no_fill = 1,
                                  .resident = resident,
                                  .resident_count = 1};
  qload_stream_facts facts = {.struct_bytes = sizeof facts};
  qload_pass_statistics pass = {.struct_bytes = sizeof pass};
  qload_layer_info info = {.struct_bytes = sizeof info};
  qload_stream* stream = NULL;
  qload_layer* layer = NULL;
  uint64_t tensors = 0;
  CHECK_OK(qload_stream_open(loader, model, &options, &stream, &error));
  CHECK_OK(qload_stream_get_facts(stream, &facts, &error));
  CHECK(facts.resident_bytes > 0);
  CHECK(facts.staging_bytes + facts.resident_bytes + facts.portion_bytes <= budget);
  for (;;) {
    CHECK_OK(qload_stream_next(stream, &layer, &error));
    if (layer == NULL) break;
    CHECK_OK(qload_layer_get_info(layer, &info, &error));
    CHECK(info.pass < PASSES && info.part_count == 1);
    tensors += info.tensor_count;
    check_layer(layer, expected);
    qload_layer_close(layer);
  }
  CHECK(tensors == (uint64_t)PASSES * TENSOR_COUNT);
  CHECK_OK(qload_stream_get_last_pass(stream, &pass, &error));
  CHECK(pass.pass == PASSES - 1);
  CHECK(pass.bytes_decoded == facts.decoded_bytes_per_pass);
  qload_stream_close(stream);
}

static int cancel_at_once(void* context, uint64_t bytes_decoded, uint64_t bytes_total) {
  CHECK(bytes_decoded <= bytes_total);
  ++*(int*)context;
  return 1;
}

static void check_cancelled_open(qload_loader* loader, const qload_model* model) {
  int calls = 0;
  qload_load_options load = {
      .struct_bytes = sizeof load, .on_progress = cancel_at_once, .progress_context = &calls};
  qload_stream_options options = {
      .struct_bytes = sizeof options, .budget_bytes = 1u << 30, .load = &load};
  qload_stream* stream = NULL;
  CHECK(qload_stream_open(loader, model, &options, &stream, &error) == QLOAD_ERROR_CANCELLED);
  CHECK(stream == NULL && calls >= 1);
}

static void check_refusals(qload_loader* loader, const qload_model* model) {
  const char* absent[] = {"nobody*"};
  qload_stream_options options = {.struct_bytes = sizeof options};
  qload_stream* stream = NULL;
  qload_layer* layer = NULL;
  CHECK(qload_stream_open(loader, model, &options, &stream, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(stream == NULL);
  options.budget_bytes = 1;
  CHECK(qload_stream_open(loader, model, &options, &stream, &error) ==
        QLOAD_ERROR_BUDGET_TOO_SMALL);
  options.budget_bytes = 1u << 30;
  options.skip = absent;
  options.skip_count = 1;
  CHECK(qload_stream_open(loader, model, &options, &stream, &error) == QLOAD_ERROR_NOT_FOUND);
  options.skip_count = 0;
  options.keep_packed = 2;
  CHECK(qload_stream_open(loader, model, &options, &stream, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);
  options.keep_packed = 0;
  CHECK_OK(qload_stream_open(loader, model, &options, &stream, &error));
  qload_stream_cancel(stream);
  CHECK(qload_stream_next(stream, &layer, &error) == QLOAD_ERROR_CANCELLED);
  CHECK(layer == NULL);
  qload_stream_close(stream);
  qload_stream_close(NULL);
  qload_layer_close(NULL);
}

int main(int argc, char** argv) {
  char path[4096];
  qload_loader_options loader_options = {.struct_bytes = sizeof loader_options,
                                         .staging_bytes = 4u << 20};
  qload_loader* loader = NULL;
  qload_model* model = NULL;
  qload_weights* expected = NULL;
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/model.qpk", argv[1]);
  CHECK_OK(qload_loader_open(&loader_options, &loader, &error));
  CHECK_OK(qload_model_open(path, NULL, &model, &error));
  CHECK_OK(qload_load(loader, model, NULL, 0, NULL, &expected, &error));
  stream_through(loader, model, expected, 6u << 20);
  stream_through(loader, model, expected, 1u << 30);
  check_refusals(loader, model);
  check_cancelled_open(loader, model);
  CHECK(qload_memory_headroom() > 0);
  qload_weights_close(expected);
  qload_model_close(model);
  qload_loader_close(loader);
  puts("ok");
  return 0;
}
