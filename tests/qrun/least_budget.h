// The least budget with which a container's weights can be streamed.
#pragma once

#include <cstdint>
#include <filesystem>

namespace qload::test {

/// As the refusal of a smaller one names it; fails the running test and returns 0 when it does not.
/// `config` may be empty. Staging memory of a budget this small is 1 MiB.
uint64_t least_stream_budget(const std::filesystem::path& container,
                             const std::filesystem::path& config = {});

}  // namespace qload::test
