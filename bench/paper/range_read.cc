#include "bench/paper/range_read.h"

#include <algorithm>
#include <array>
#include <utility>

#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

/// Keeps the first failure of the reads it takes back.
class Completions {
 public:
  explicit Completions(ReadEngine& engine) : engine_(engine) {}
  void wait() {
    const size_t count = engine_.wait(done_);
    for (const Completion& completion : std::span(done_).first(count)) {
      if (error_number_ == 0) error_number_ = completion.error_number;
    }
  }
  void drain() {
    while (engine_.in_flight() > 0) wait();
  }
  bool failed() const { return error_number_ != 0; }
  Status status() const {
    if (!failed()) return Ok{};
    return error_from_errno("direct read", error_number_);
  }

 private:
  ReadEngine& engine_;
  std::array<Completion, 64> done_;
  int error_number_ = 0;
};

void submit_range(ReadEngine& engine, const StreamRange& range, std::span<std::byte> arena,
                  ReadShape shape, Completions& completions) {
  for (uint64_t passed = 0; passed < range.bytes && !completions.failed();
       passed += shape.read_bytes) {
    while (engine.in_flight() >= shape.depth) completions.wait();
    const auto rest =
        static_cast<uint32_t>(std::min<uint64_t>(shape.read_bytes, range.bytes - passed));
    engine.submit({.offset = range.offset + passed,
                   .data = arena.data() + range.place + passed,
                   .bytes = static_cast<uint32_t>(align_up(rest, kAlignmentMin)),
                   .bytes_required = rest,
                   .tag = 0,
                   .direct = true});
  }
}

}  // namespace

Result<std::vector<DirectSource>> open_direct(std::span<const std::filesystem::path> paths) {
  std::vector<DirectSource> files;
  for (const std::filesystem::path& path : paths) {
    DirectSource source;
    QLOAD_TRY(source.buffered, PlainFile::open(path));
    QLOAD_TRY(source.direct, DirectFile::open(source.buffered.descriptor()));
    if (source.direct.alignment() > kAlignmentMin) {
      return Error(ErrorCode::kUnsupported,
                   text("direct reads want blocks of ", source.direct.alignment(),
                        " bytes, not of ", kAlignmentMin));
    }
    files.push_back(std::move(source));
  }
  return files;
}

Status read_ranges(ReadEngine& engine, std::span<const DirectSource> files,
                   const StreamPiece& piece, std::span<std::byte> arena, ReadShape shape,
                   const std::function<void()>& on_submitted) {
  Completions completions(engine);
  const StreamRange* last = nullptr;
  for (const StreamRange& range : piece.ranges) {
    if (last == nullptr || last->file != range.file) {
      completions.drain();
      const DirectSource& file = files[range.file];
      QLOAD_CHECK(engine.attach({.buffered = file.buffered.descriptor(),
                                 .direct = file.direct.descriptor(),
                                 .direct_alignment = file.direct.alignment()}));
    }
    last = &range;
    submit_range(engine, range, arena, shape, completions);
    if (completions.failed()) break;
  }
  if (on_submitted) on_submitted();
  completions.drain();
  return completions.status();
}

}  // namespace qload::bench
