#include "format/pack/container_estimate.h"

#include "format/base/checked.h"
#include "format/container/layout.h"

namespace qload {
namespace {

/// Follows ContainerWriter's placement (docs/format.md, "Extents and placement").
class Placement {
 public:
  explicit Placement(const PackOptions& options)
      : options_(options), position_(align_up(kSuperblockBytes, options.alignment)) {}

  void end_extent() { extent_ends_ = true; }
  void begin_run() {
    run_bytes_ = 0;
    raw_before_ = false;
  }

  void add(const ChunkSize& chunk, uint64_t decoded_bytes) {
    const bool continues = chunk.raw && raw_before_;
    const bool aligned = position_ % options_.alignment == 0;
    const bool full = open_ && position_ - extent_start_ >= options_.extent_bytes;
    if (extent_ends_ || (full && (!continues || aligned))) close_extent();
    extent_ends_ = false;
    if (!open_) {
      extent_start_ = position_;
      ++extent_count_;
      open_ = true;
    }
    if (chunk.raw && !continues && decoded_bytes >= kInPlaceBytesMin) {
      position_ += (run_bytes_ - position_) & (options_.alignment - 1);
    }
    position_ += chunk.stored_bytes;
    run_bytes_ += decoded_bytes;
    raw_before_ = chunk.raw;
    ++chunk_count_;
    stream_count_ += chunk.stream_count;
  }

  void close_extent() {
    position_ = align_up(position_, options_.alignment);
    open_ = false;
  }

  uint64_t position() const { return position_; }
  uint64_t index_records_bytes() const {
    return chunk_count_ * sizeof(ChunkRecord) + stream_count_ * sizeof(StreamRecord) +
           extent_count_ * sizeof(ExtentRecord);
  }

 private:
  const PackOptions& options_;
  uint64_t position_;
  uint64_t extent_start_ = 0;
  uint64_t run_bytes_ = 0;
  bool open_ = false;
  bool extent_ends_ = false;
  bool raw_before_ = false;
  uint64_t chunk_count_ = 0;
  uint64_t stream_count_ = 0;
  uint64_t extent_count_ = 0;
};

/// Sections of the index that do not depend on the chunks, each on 8 bytes.
uint64_t fixed_index_bytes(const ModelSource& source, const PackPlan& plan) {
  constexpr uint64_t kSections = 9;
  constexpr uint64_t kSectionAlignment = 8;
  uint64_t names = 0;
  uint64_t dimensions = 0;
  uint64_t groups = 0;
  for (const SourceFile& file : source.files()) names += file.path.size();
  for (const SourceTensor& tensor : source.tensors()) {
    names += tensor.name.size();
    dimensions += tensor.shape.size();
  }
  for (const PackRun& run : plan.runs()) groups += run.opens_group ? 1 : 0;
  return sizeof(IndexHeader) + kSections * sizeof(SectionRecord) +
         align_up(names, kSectionAlignment) + source.files().size() * sizeof(FileRecord) +
         source.tensors().size() * sizeof(TensorRecord) + dimensions * sizeof(uint64_t) +
         groups * sizeof(GroupRecord) +
         align_up(source.tensors().size() * sizeof(uint32_t), kSectionAlignment);
}

}  // namespace

ContainerEstimate estimate_container(
    const ModelSource& source, const PackPlan& plan, const PackOptions& options,
    const std::function<ChunkSize(uint64_t item, uint64_t decoded_bytes)>& size_of) {
  Placement placement(options);
  ContainerEstimate estimate;
  bool in_kept = false;
  for (const PackRun& run : plan.runs()) {
    const bool kept = run.kind == ContentKind::kKept;
    if (run.opens_group || (kept && !in_kept)) placement.end_extent();
    in_kept = kept;
    placement.begin_run();
    for (uint64_t chunk = 0; chunk < run.cut.chunk_count; ++chunk) {
      const uint64_t decoded_bytes = run.cut.bytes_of(chunk);
      const ChunkSize size = size_of(run.first_item + chunk, decoded_bytes);
      placement.add(size, decoded_bytes);
      if (kept) estimate.kept_bytes += size.stored_bytes;
    }
  }
  placement.close_extent();
  estimate.index_bytes = fixed_index_bytes(source, plan) + placement.index_records_bytes();
  estimate.container_bytes = placement.position() + estimate.index_bytes;
  return estimate;
}

LoadWork container_work(const Container& container, const TargetDevice& device) {
  const Index& index = container.index;
  LoadWork work{.read_bytes = container.superblock.container_bytes,
                .decoded_bytes = container.superblock.decoded_bytes};
  for (const FileRecord& file : index.files()) {
    for (const ChunkRecord& chunk : index.chunks_of(file)) work.read_bytes -= chunk.stored_bytes;
  }
  // A chunk that tensors share is decoded for each.
  for (const TensorRecord& tensor : index.tensors()) {
    for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
      work.decode_seconds += decode_seconds(device, index.form(chunk));
    }
  }
  return work;
}

}  // namespace qload
