#include "bench/load/control_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload::bench {

// They answer through the errno of write().
Status write_control(const std::filesystem::path& path, std::string_view value) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return error_from_errno(text("open ", path.string()), errno);
  const ssize_t written = write(descriptor, value.data(), value.size());
  const int error_number = errno;
  close(descriptor);
  if (written < 0) {
    return error_from_errno(text("write \"", value, "\" to ", path.string()), error_number);
  }
  return Ok{};
}

// The kernel lets go of a group a moment after its last process has left.
void remove_group(const std::filesystem::path& group) {
  for (int attempt = 0; attempt < 50 && rmdir(group.c_str()) != 0 && errno == EBUSY; ++attempt) {
    usleep(10'000);
  }
}

}  // namespace qload::bench
