// The sample container's index, for tests that break it.
#pragma once

#include "format/container/container_reader.h"
#include "tests/support/container_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::test {

/// The sample's index. Written once: each test breaks its own copy.
inline const EditableIndex& sample_index() {
  static const EditableIndex sample = [] {
    TempDirectory directory;
    write_sample(directory / "sample.qpk");
    auto container = read_container(File::open(directory / "sample.qpk").value());
    return EditableIndex(container.value());
  }();
  return sample;
}

}  // namespace qload::test
