// Any bytes as a safetensors file: refused, or a list of tensors that keeps its promises.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "format/input/safetensors.h"
#include "tests/support/memory_file.h"
#include "tests/support/source_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto bytes = std::as_bytes(std::span(data, size));
  auto result = qload::read_safetensors(qload::test::memory_file(bytes));
  if (!result.ok()) return 0;
  std::string broken = qload::test::broken_promise(result->tensors, result->header_bytes, size);
  // The tensors cover the data section, so the last one ends with the file.
  uint64_t end = result->header_bytes;
  for (const auto& tensor : result->tensors) end = tensor.offset + tensor.bytes;
  if (end != size) broken = "the tensors do not cover the data section";
  if (!broken.empty()) {
    std::fprintf(stderr, "%s\n", broken.c_str());
    std::abort();
  }
  return 0;
}
