// The plain file mapped: tensors are used where they lie, and the kernel decides what stays.
#include <sys/mman.h>

#include <utility>
#include <vector>

#include "bench/load/plain_file.h"
#include "bench/stream/pass_contender.h"
#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

class MmapPasses : public PassContender {
 public:
  MmapPasses(const PassModel& model, bool will_need)
      : model_(model), will_need_(will_need), plan_(plan_all_streamed(model.container.index)) {}

  Status open() override {
    for (const std::filesystem::path& path : model_.plain_files) {
      QLOAD_TRY(MappedFile file, MappedFile::map(path));
      files_.push_back(std::move(file));
    }
    for (const PassLayer& layer : plan_.layers) {
      pieces_.push_back(
          make_piece(model_.container.index, model_.source, model_.sources, layer.streamed));
    }
    if (will_need_ && !pieces_.empty()) advise(pieces_.front());
    return Ok{};
  }

  size_t layer_count() const override { return plan_.layers.size(); }

  Result<std::span<const PassTensor>> next() override {
    const PassLayer& layer = plan_.layers[next_];
    next_ = (next_ + 1) % plan_.layers.size();
    if (will_need_) advise(pieces_[next_]);
    tensors_.clear();
    for (const uint32_t tensor : layer.streamed) {
      const SourceTensor& place = model_.source.tensors()[model_.sources[tensor]];
      tensors_.push_back({.tensor = tensor,
                          .data = files_[place.file].bytes().subspan(place.offset, place.bytes)});
    }
    return std::span<const PassTensor>(tensors_);
  }

  void release() override {}

 private:
  void advise(const StreamPiece& piece) {
    for (const StreamRange& range : piece.ranges) {
      const auto bytes = files_[range.file].bytes().subspan(range.offset, range.bytes);
      // Ranges begin on blocks of 4 KiB; pages may be larger.
      const auto begin = align_down(reinterpret_cast<uintptr_t>(bytes.data()), kAlignmentMax);
      const auto map_begin = reinterpret_cast<uintptr_t>(files_[range.file].bytes().data());
      const auto from = begin > map_begin ? begin : map_begin;
      const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
      madvise(reinterpret_cast<void*>(from), end - from, MADV_WILLNEED);
    }
  }

  const PassModel& model_;
  const bool will_need_;
  const PassPlan plan_;
  std::vector<StreamPiece> pieces_;  // By layer.
  std::vector<MappedFile> files_;
  std::vector<PassTensor> tensors_;
  size_t next_ = 0;
};

}  // namespace

std::unique_ptr<PassContender> make_mmap_passes(const PassModel& model) {
  return std::make_unique<MmapPasses>(model, false);
}

std::unique_ptr<PassContender> make_mmap_willneed_passes(const PassModel& model) {
  return std::make_unique<MmapPasses>(model, true);
}

}  // namespace qload::bench
