// Writes the model that the API programs load: DIRECTORY/model.qpk, and the bytes of all its
// tensors in load order as DIRECTORY/model.bin.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  const auto model = qload::test::small_fixture_model();
  std::filesystem::remove(directory / "model.qpk");
  qload::test::write_container(directory / "model.qpk", model);
  std::vector<std::byte> bytes;
  for (const auto& tensor : model.tensors) {
    bytes.insert(bytes.end(), tensor.data.begin(), tensor.data.end());
  }
  qload::test::write_file(directory / "model.bin", bytes);
  return testing::UnitTest::GetInstance()->Failed() ? 1 : 0;
}
