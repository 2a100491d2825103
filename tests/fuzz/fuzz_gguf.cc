// Any bytes as a GGUF file: refused, or a list of tensors that keeps its promises.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "format/input/gguf.h"
#include "tests/support/memory_file.h"
#include "tests/support/source_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  auto result = qload::read_gguf(qload::test::memory_file(bytes));
  if (!result.ok()) return 0;
  std::string broken = qload::test::broken_promise(result->tensors, result->header_bytes, size);
  for (const auto& tensor : result->tensors) {
    if ((tensor.offset - result->header_bytes) % result->alignment != 0) broken = "misaligned";
  }
  if (!broken.empty()) {
    std::fprintf(stderr, "%s\n", broken.c_str());
    std::abort();
  }
  return 0;
}
