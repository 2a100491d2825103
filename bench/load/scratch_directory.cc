#include "bench/load/scratch_directory.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload::bench {

Result<ScratchDirectory> ScratchDirectory::create(const std::filesystem::path& parent,
                                                  InterruptGuard& interrupts) {
  std::string name = (parent / "qload_bench.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    return error_from_errno(text("cannot make a scratch directory in ", parent.string(),
                                 " (--dir chooses another place)"),
                            errno);
  }
  return ScratchDirectory(name, interrupts);
}

ScratchDirectory::ScratchDirectory(std::filesystem::path path, InterruptGuard& interrupts)
    : path_(std::move(path)), interrupts_(&interrupts) {
  cleanup_id_ = interrupts.add([copy = path_] {
    std::error_code error;
    std::filesystem::remove_all(copy, error);
  });
}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  interrupts_->remove(cleanup_id_);
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      interrupts_(other.interrupts_),
      cleanup_id_(other.cleanup_id_) {}

}  // namespace qload::bench
