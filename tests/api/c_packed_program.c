/* A C program that keeps weights packed, decodes them whole, and reads their rows. Run with the
 * directory that make_api_fixture filled. */
#include "qload/c_packed.h"

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

/* Loaded decoded: what packed weights must decode to. */
static qload_weights* expected;

static const unsigned char* expected_bytes(const char* name) {
  qload_tensor tensor = {.struct_bytes = sizeof tensor};
  CHECK(qload_weights_find(expected, name, &tensor) == QLOAD_OK);
  return tensor.data;
}

static void check_packed(qload_loader* loader, const qload_model* model) {
  const char* names[] = {"layers.1.up", "norm"};
  const char* absent[] = {"nobody"};
  qload_statistics statistics = {.struct_bytes = sizeof statistics};
  qload_load_options options = {.struct_bytes = sizeof options, .statistics = &statistics};
  qload_model_info info = {.struct_bytes = sizeof info};
  qload_packed* packed = NULL;
  qload_tensor tensors[TENSOR_MAX] = {{.struct_bytes = sizeof tensors[0]}};
  qload_tensor tensor = {.struct_bytes = sizeof tensor};
  size_t i;

  CHECK_OK(qload_model_get_info(model, &info, &error));
  CHECK_OK(qload_load_packed(loader, model, NULL, 0, &options, &packed, &error));
  CHECK(qload_packed_stored_bytes(packed) > 0);
  CHECK(qload_packed_stored_bytes(packed) < info.decoded_bytes);
  CHECK(statistics.destination_bytes == qload_packed_stored_bytes(packed));
  CHECK(statistics.bytes_decoded == statistics.bytes_stored);
  CHECK(qload_packed_tensors(packed, tensors, TENSOR_MAX) == TENSOR_COUNT);
  for (i = 0; i < TENSOR_COUNT; ++i) {
    CHECK(tensors[i].data == NULL);
    tensors[i].data = malloc(tensors[i].bytes + 1);
    CHECK(tensors[i].data != NULL);
  }
  CHECK_OK(qload_packed_decode(loader, packed, tensors, TENSOR_COUNT, NULL, &error));
  for (i = 0; i < TENSOR_COUNT; ++i) {
    CHECK(tensors[i].bytes == 0 ||
          memcmp(tensors[i].data, expected_bytes(tensors[i].name), tensors[i].bytes) == 0);
    free(tensors[i].data);
  }
  qload_packed_close(packed);

  CHECK_OK(qload_load_packed(loader, model, names, 2, NULL, &packed, &error));
  CHECK(qload_packed_tensors(packed, NULL, 0) == 2);
  CHECK(qload_packed_find(packed, "norm", &tensor) == QLOAD_OK && tensor.bytes == 256);
  CHECK(qload_packed_find(packed, "zero", &tensor) == QLOAD_ERROR_NOT_FOUND);
  qload_packed_close(packed);
  CHECK(qload_load_packed(loader, model, absent, 1, NULL, &packed, &error) ==
        QLOAD_ERROR_NOT_FOUND);
  CHECK(packed == NULL && strstr(error.message, "nobody") != NULL);
}

static void check_rows(qload_loader* loader, const qload_model* model, const qload_packed* packed,
                       const char* name, uint64_t row_count, uint64_t row_bytes) {
  const unsigned char* bytes = expected_bytes(name);
  qload_rows_options options = {.struct_bytes = sizeof options, .buffer_bytes = 10 * row_bytes};
  qload_rows_info info = {.struct_bytes = sizeof info};
  qload_rows_view view = {.struct_bytes = sizeof view};
  qload_rows* rows = NULL;
  unsigned char* memory = malloc(3 * row_bytes);
  uint64_t row = 0;

  CHECK(memory != NULL);
  CHECK_OK(qload_rows_open(packed, name, &options, &rows, &error));
  CHECK_OK(qload_rows_get_info(rows, &info, &error));
  CHECK(info.row_count == row_count && info.row_bytes == row_bytes && info.next_row == 0);
  for (;;) {
    CHECK_OK(qload_rows_next(rows, 7, &view, &error));
    CHECK(view.first_row == row && view.row_count <= 7);
    if (view.row_count == 0) break;
    CHECK(view.bytes == view.row_count * row_bytes);
    CHECK(memcmp(view.data, bytes + row * row_bytes, view.bytes) == 0);
    row += view.row_count;
  }
  CHECK(row == row_count && view.data == NULL);
  CHECK(qload_rows_chunk_start(rows, row_count) == row_count);
  CHECK_OK(qload_rows_reopen(rows, packed, name, &error));
  CHECK_OK(qload_rows_next(rows, 1, &view, &error));
  CHECK(view.first_row == 0 && memcmp(view.data, bytes, row_bytes) == 0);
  CHECK(qload_rows_reopen(rows, packed, "nobody", &error) == QLOAD_ERROR_NOT_FOUND);
  CHECK(qload_rows_chunk_start(rows, 0) == 0);

  CHECK_OK(qload_rows_seek(rows, row_count - 3, &error));
  CHECK_OK(qload_rows_next(rows, 1, &view, &error));
  CHECK(view.first_row == row_count - 3 && view.row_count == 1);
  CHECK_OK(qload_rows_decode(rows, 1, 3, memory, 3 * row_bytes, &error));
  CHECK(memcmp(memory, bytes + row_bytes, 3 * row_bytes) == 0);
  CHECK_OK(qload_rows_get_info(rows, &info, &error));
  CHECK(info.next_row == 4);

  memset(memory, 0, 3 * row_bytes);
  CHECK_OK(qload_load_rows(loader, model, name, 1, 3, memory, 3 * row_bytes, NULL, &error));
  CHECK(memcmp(memory, bytes + row_bytes, 3 * row_bytes) == 0);
  CHECK(qload_load_rows(loader, model, name, row_count, 1, memory, row_bytes, NULL, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);

  CHECK(qload_rows_seek(rows, row_count + 1, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, name) != NULL);
  CHECK(qload_rows_next(rows, 0, &view, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_rows_decode(rows, 1, 3, memory, 1, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  view.struct_bytes = 0;
  CHECK(qload_rows_next(rows, 1, &view, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK_OK(qload_rows_get_info(rows, &info, &error));
  CHECK(info.next_row == 4);
  qload_rows_close(rows);
  free(memory);
}

static void check_wrong_calls(qload_loader* loader, const qload_model* model,
                              const qload_packed* packed) {
  qload_rows* rows = NULL;
  qload_packed* none = NULL;
  qload_rows_view view = {.struct_bytes = sizeof view};

  CHECK(qload_load_packed(NULL, model, NULL, 0, NULL, &none, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_load_packed(loader, model, NULL, 0, NULL, NULL, &error) ==
        QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_rows_open(packed, "nobody", NULL, &rows, &error) == QLOAD_ERROR_NOT_FOUND);
  CHECK(rows == NULL && strstr(error.message, "nobody") != NULL);
  CHECK(qload_rows_open(packed, NULL, NULL, &rows, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_rows_reopen(NULL, packed, "nobody", &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_rows_next(NULL, 1, &view, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_packed_decode(loader, packed, NULL, 1, NULL, &error) == QLOAD_ERROR_INVALID_ARGUMENT);
  CHECK(qload_packed_stored_bytes(NULL) == 0);
  CHECK(qload_packed_tensors(NULL, NULL, 0) == 0);
  CHECK(qload_rows_chunk_start(NULL, 3) == 0);
  qload_packed_close(NULL);
  qload_rows_close(NULL);
}

int main(int argc, char** argv) {
  char path[4096];
  qload_loader* loader = NULL;
  qload_model* model = NULL;
  qload_packed* packed = NULL;

  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/model.qpk", argv[1]);
  CHECK_OK(qload_loader_open(NULL, &loader, &error));
  CHECK_OK(qload_model_open(path, NULL, &model, &error));
  CHECK_OK(qload_load(loader, model, NULL, 0, NULL, &expected, &error));
  check_packed(loader, model);
  CHECK_OK(qload_load_packed(loader, model, NULL, 0, NULL, &packed, &error));
  check_wrong_calls(loader, model, packed);
  /* What is packed does without its loader. */
  qload_loader_close(loader);
  CHECK_OK(qload_loader_open(NULL, &loader, &error));
  check_rows(loader, model, packed, "embed.weight", 1024, 512);
  check_rows(loader, model, packed, "layers.0.up", 256, 600);
  check_rows(loader, model, packed, "layers.1.down", 1000, 300);
  check_rows(loader, model, packed, "zero", 25, 40);
  qload_packed_close(packed);
  qload_weights_close(expected);
  qload_loader_close(loader);
  qload_model_close(model);
  printf("ok\n");
  return 0;
}
