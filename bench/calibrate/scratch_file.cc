#include "bench/calibrate/scratch_file.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <system_error>
#include <vector>

#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {

Result<uint64_t> write_scratch_file(const std::filesystem::path& path, uint64_t bytes_max) {
  if (bytes_max < kScratchBytesMin) {
    return Error(ErrorCode::kInvalidArgument, text("a scratch file of ", bytes_max,
                                                   " bytes is too small to measure with; at least ",
                                                   kScratchBytesMin, " are needed"));
  }
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path.parent_path(), error);
  if (error) {
    return Error(ErrorCode::kIo, text(quote(path.parent_path().string()), ": ", error.message()));
  }
  const uint64_t bytes =
      align_down(std::min<uint64_t>(bytes_max, space.available / 4), kScratchBytesMin);
  if (bytes == 0) {
    return Error(ErrorCode::kNoSpace,
                 text(quote(path.parent_path().string()), ": ", space.available,
                      " bytes are free; a calibration wants four times ", kScratchBytesMin));
  }
  std::vector<std::byte> block(kScratchBytesMin);
  std::mt19937_64 random(1);
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {}));
  for (uint64_t offset = 0; offset < bytes; offset += kScratchBytesMin) {
    for (size_t at = 0; at < block.size(); at += sizeof(uint64_t)) {
      const uint64_t word = random();
      std::memcpy(block.data() + at, &word, sizeof word);
    }
    QLOAD_CHECK(file.write_at(offset, block));
  }
  QLOAD_CHECK(file.commit());
  return bytes;
}

}  // namespace qload::bench
